// The sign floor by Node's own server: reads the body, signs once with SubtleCrypto, answers 700 bytes.

import "./base64.js";
import { createServer } from "node:http";
import { HEADERS, jwks, sign } from "./signing.js";

createServer((request, response) => {
  request.setEncoding("utf8");
  let length = 0;
  request.on("data", (text) => (length += text.length));
  request.once("end", async () => {
    const posted = request.method === "POST" && length > 0;
    const body = posted
      ? `{"access_token":"${await sign()}","token_type":"Bearer","expires_in":3600}`
      : await (await jwks()).text();
    response.writeHead(200, { ...HEADERS, "content-length": Buffer.byteLength(body) });
    response.end(body);
  });
}).listen(Number(process.env.PORT), "127.0.0.1");
