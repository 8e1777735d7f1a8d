// Appended to cdn/edge/viewer_request.js by the tests: a JSON array of requests in, and what
// CloudFront would do with each out. An event is made of a raw query as CloudFront makes it.

function eventOf(vector) {
  const querystring = {};
  vector.query.split('&').filter(pair => pair).forEach(pair => {
    const at = pair.indexOf('=');
    const name = at < 0 ? pair : pair.slice(0, at);
    const value = { value: at < 0 ? '' : pair.slice(at + 1) };
    const known = Object.getOwnPropertyDescriptor(querystring, name);
    if (!known) {
      // Not by assignment, which __proto__ would take for something else.
      Object.defineProperty(querystring, name,
        { value: value, enumerable: true, writable: true, configurable: true });
    } else {
      const field = known.value;
      if (!field.multiValue) field.multiValue = [{ value: field.value }];
      field.multiValue.push(value);
    }
  });
  const headers = {};
  Object.keys(vector.headers).forEach(name => {
    const lines = vector.headers[name].map(line => ({ value: line }));
    headers[name] = lines.length > 1 ? { value: lines[0].value, multiValue: lines } : lines[0];
  });
  return {
    version: '1.0',
    context: { eventType: 'viewer-request' },
    viewer: { ip: '192.0.2.1' },
    request: {
      method: vector.method, uri: vector.uri, querystring: querystring, headers: headers,
      cookies: { session: { value: 'secret' } },
    },
  };
}

function answerTo(vector) {
  const answer = handler(eventOf(vector));
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
