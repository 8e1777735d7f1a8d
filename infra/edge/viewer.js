// Behind cdn/edge/viewer_request.js and event.js in nginx: runs the edge function as CloudFront
// does, signs what S3 is asked, and drops from the caches what is invalidated.
// SETTINGS are written before all of it by nginx.py.

const crypto = require('crypto');
const fs = require('fs');

const NOTHING = crypto.createHash('sha256').update('').digest('hex');
// As much of a cached file holds what nginx notes and the headers of any answer of ours.
const HEAD_BYTES = 8192;

function answer(r) {
  const asked = r.variables.request_uri;
  const at = asked.indexOf('?');
  const headers = {};
  r.rawHeadersIn.forEach(line => {
    const name = line[0].toLowerCase();
    headers[name] = (headers[name] || []).concat(line[1]);
  });
  const uri = at < 0 ? asked : asked.slice(0, at);
  return handler(eventOf(r.method, uri, at < 0 ? '' : asked.slice(at + 1), headers, {}));
}

// The path that is the cache's key and what origins are asked; empty where the function answers.
function canonical(r) {
  const answered = answer(r);
  return answered.statusCode ? '' : answered.uri;
}

function answerHere(r) {
  const answered = answer(r);
  Object.keys(answered.headers).forEach(name => {
    r.headersOut[name] = answered.headers[name].value;
  });
  r.return(answered.statusCode, answered.body);
}

// Origin access control: AWS Signature 4 of a GET without a body.

function date() {
  return new Date().toISOString().replace(/[-:]|\.[0-9]+/g, '');
}

function hmac(key, text) {
  return crypto.createHmac('sha256', key).update(text);
}

function authorization(r) {
  const store = SETTINGS.store;
  const moment = r.variables.s3_date;
  const scope = [moment.slice(0, 8), store.region, 's3', 'aws4_request'];
  const signed = 'host;x-amz-content-sha256;x-amz-date';
  const asked = [
    r.method, '/' + store.bucket + r.variables.request_uri, '',
    'host:' + store.host, 'x-amz-content-sha256:' + NOTHING, 'x-amz-date:' + moment, '',
    signed, NOTHING,
  ].join('\n');
  const hash = crypto.createHash('sha256').update(asked).digest('hex');
  const text = ['AWS4-HMAC-SHA256', moment, scope.join('/'), hash].join('\n');
  let key = 'AWS4' + store.secretKey;
  scope.forEach(part => { key = hmac(key, part).digest(); });
  return 'AWS4-HMAC-SHA256 Credential=' + store.accessKey + '/' + scope.join('/') +
    ', SignedHeaders=' + signed + ', Signature=' + hmac(key, text).digest('hex');
}

// CreateInvalidation of CloudFront's API, by cache tags. The shield first: what an edge asks for
// anew is then new.

function invalidate(r) {
  const items = (r.requestText || '').match(/<Path>[^<]*<\/Path>/g) || [];
  const tags = items.map(item => item.slice('<Path>'.length, -'</Path>'.length));
  // No page of a stranger's sends this header to us.
  if (!r.headersIn.Authorization) return r.return(403);
  if (!tags.length || tags.some(tag => tag[0] !== '#')) return r.return(400);
  const wanted = tags.map(tag => tag.slice(1).toLowerCase());
  SETTINGS.caches.forEach(cache => drop('cache/' + cache, wanted));
  const reference = /<CallerReference>[^<]*<\/CallerReference>/.exec(r.requestText)[0];
  r.headersOut['Content-Type'] = 'text/xml';
  return r.return(201, '<Invalidation xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">' +
    '<Id>' + crypto.createHash('sha256').update(reference).digest('hex').slice(0, 14) + '</Id>' +
    '<Status>Completed</Status><CreateTime>' + new Date().toISOString() + '</CreateTime>' +
    '<InvalidationBatch><Paths><Quantity>' + items.length + '</Quantity><Items>' +
    items.join('') + '</Items></Paths>' + reference + '</InvalidationBatch></Invalidation>');
}

function drop(directory, tags) {
  fs.readdirSync(directory, { withFileTypes: true }).forEach(entry => {
    const path = directory + '/' + entry.name;
    if (entry.isDirectory()) {
      drop(path, tags);
    } else if (tagsIn(path).some(tag => tags.indexOf(tag) >= 0)) {
      unlink(path);
    }
  });
}

function tagsIn(path) {
  try {
    const head = fs.readFileSync(path).slice(0, HEAD_BYTES).toString();
    const line = /\r\n(?:x-amz-meta-)?cache-tag: *([^\r\n]*)/i.exec(head);
    return line ? line[1].toLowerCase().split(',').map(tag => tag.trim()) : [];
  } catch (error) {
    return [];
  }
}

function unlink(path) {
  try {
    fs.unlinkSync(path);
  } catch (error) {
    // nginx had dropped it.
  }
}

export default { canonical, answerHere, date, authorization, invalidate };
