// A door in front of a door, for clients that cannot be given a credential: it adds one to every request and changes nothing else.
// `node bearer.mjs TARGET-PORT` listens on loopback and says where; the credential stands in the environment, as BEARER.

import { createServer, request as ask } from "node:http";

const target = { host: "127.0.0.1", port: Number(process.argv[2]) };

const server = createServer((request, response) => {
  const { method, url: path } = request;
  const headers = { ...request.headers, authorization: `Bearer ${process.env.BEARER}` };
  const asked = ask({ ...target, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    answer.on("error", () => response.destroy());
  });
  asked.on("error", () => response.destroy());
  response.on("close", () => asked.destroy());
  request.pipe(asked);
});
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
