// Appended to cdn/edge/viewer_request.js and infra/edge/event.js by the tests: a JSON array of
// requests in, and what CloudFront would do with each out.

function answerTo(vector) {
  const cookies = { session: { value: 'secret' } };
  const event = eventOf(vector.method, vector.uri, vector.query, vector.headers, cookies);
  const answer = handler(event);
  if (answer.statusCode) {
    return {
      status: answer.statusCode, problem: JSON.parse(answer.body),
      type: answer.headers['content-type'].value, length: answer.body.length,
    };
  }
  return {
    path: answer.uri, untouched: answer.uri === vector.uri,
    bare: !Object.keys(answer.querystring).length && !Object.keys(answer.cookies).length,
  };
}

if (process.argv[2] === '--serve') {
  require('readline').createInterface({ input: process.stdin }).on('line', line => {
    process.stdout.write(JSON.stringify(JSON.parse(line).map(answerTo)) + '\n');
  });
} else {
  // One a line, for njs cuts long ones.
  JSON.parse(require('fs').readFileSync('/dev/stdin', 'utf8'))
    .forEach(vector => console.log(JSON.stringify(answerTo(vector))));
}
