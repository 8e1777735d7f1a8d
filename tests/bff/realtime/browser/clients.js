// socket.io-client as it comes from npm, told on standard input what to do.
//
// Each line is JSON. {"id", "do": "open", "socket", "url", "options"} opens a client under a name,
// "emit" asks for an acknowledgement, "cut" drops its connection, "close" ends it; each is answered
// by {"id", "answer"} or {"id", "error"}. Whatever happens to a client is told as
// {"socket", "event", "arguments"}, with what the client library adds taken off.
"use strict";
const { io } = require("socket.io-client");
const readline = require("node:readline");

const sockets = new Map();
const say = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);

function open({ socket: name, url, options, auth }) {
  // Read at each connection, as an app does whose token is renewed meanwhile.
  const held = { auth };
  const socket = io(url, { forceNew: true, ...options, auth: (give) => give(held.auth) });
  sockets.set(name, { socket, held });
  const tell = (event, ...given) => say({ socket: name, event, arguments: given });
  socket.onAny((event, first) => tell(event, first));
  socket.on("connect", () => tell("connect", { recovered: socket.recovered }));
  socket.on("disconnect", (reason) => tell("disconnect", reason));
  socket.on("connect_error", (error) => tell("connect_error", error.message, error.data));
  socket.io.engine.once("upgrade", () => tell("upgrade"));
}

const actions = {
  open,
  emit: ({ socket, event, data }) =>
    sockets.get(socket).socket.timeout(20000).emitWithAck(event, data),
  auth: ({ socket, auth }) => { sockets.get(socket).held.auth = auth; },
  cut: ({ socket }) => { sockets.get(socket).socket.io.engine.close(); },
  close: ({ socket }) => { sockets.get(socket).socket.close(); },
  connect: ({ socket }) => { sockets.get(socket).socket.connect(); },
};

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const asked = JSON.parse(line);
  try {
    say({ id: asked.id, answer: (await actions[asked.do](asked)) ?? null });
  } catch (error) {
    say({ id: asked.id, error: String(error) });
  }
}).on("close", () => process.exit(0));
