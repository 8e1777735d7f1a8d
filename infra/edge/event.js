// The event that CloudFront hands to a function, of a raw request: headers by their names in
// lower case, each a list of lines.

function eventOf(method, uri, query, headers, cookies) {
  const querystring = {};
  query.split('&').filter(pair => pair).forEach(pair => {
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
  const fields = {};
  Object.keys(headers).forEach(name => {
    const lines = headers[name].map(line => ({ value: line }));
    fields[name] = lines.length > 1 ? { value: lines[0].value, multiValue: lines } : lines[0];
  });
  return {
    version: '1.0',
    context: { eventType: 'viewer-request' },
    viewer: { ip: '192.0.2.1' },
    request: {
      method: method, uri: uri, querystring: querystring, headers: fields,
      cookies: cookies,
    },
  };
}
