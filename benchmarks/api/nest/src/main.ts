import 'reflect-metadata';
import compress from '@fastify/compress';
import etag from '@fastify/etag';
import { ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app';

async function main() {
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), { logger: ['error', 'warn'] });
  // Before compression, or it would have a stream to make a tag of.
  await app.register(compress as any, { encodings: ['gzip'], zlibOptions: { level: 6 } });
  await app.register(etag as any);
  app.useGlobalPipes(new ValidationPipe({ transform: true, whitelist: true }));
  await app.listen(Number(process.env.PORT), '127.0.0.1');
}

void main();
