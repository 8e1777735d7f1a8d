output "topic_arns" {
  description = "Topics that alarms are told to, by region."
  value       = { for region, topic in aws_sns_topic.alarms : region => topic.arn }
}
