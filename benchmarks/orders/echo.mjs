// `ws` on Node, sending every message back as its README does. It says {"port": …}, and ends with its stdin.

import process from "node:process";

import { WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("connection", (client) => client.on("message", (data, binary) => client.send(data, { binary })));
server.on("listening", () => process.stdout.write(`{"port": ${server.address().port}}\n`));
process.stdin.on("end", () => process.exit());
process.stdin.resume();
