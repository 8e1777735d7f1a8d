// socket.io with its Redis adapter: rooms that are joined by an event, and told on command.
"use strict";
const { createServer } = require("node:http");
const readline = require("node:readline");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");
const { Server } = require("socket.io");

(async () => {
  const publisher = createClient({ url: process.env.REDIS_URL });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const http = createServer();
  const io = new Server(http, { perMessageDeflate: false, serveClient: false });
  io.adapter(createAdapter(publisher, subscriber));
  const orders = io.of("/orders");
  orders.on("connection", (socket) => {
    socket.on("join", (room, done) => { socket.join(room); done({ status: "subscribed" }); });
  });
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const asked = JSON.parse(line);
    for (const room of asked.rooms) {
      const told = { ...asked.body, t: Number(process.hrtime.bigint() / 1000n) };
      orders.to(room).emit("order:updated", told);
    }
  }).on("close", () => process.exit(0));
  http.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("ready"));
})();
