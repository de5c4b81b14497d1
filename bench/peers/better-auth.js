// better-auth with its OAuth provider, on Node.

import { nodePeer } from "./shared/node.js";
import { API } from "./shared/client.js";

export const peer = nodePeer({
  name: "better-auth's oauth-provider",
  module: "@better-auth/oauth-provider",
  program: "better-auth/server.js",
  issuer: "/auth",
  endpoint: "/auth/oauth2/token",
  asked: { resource: API },
  note:
    "over SQLite in memory, with clients and APIs cached; tokens are signed by jose with a key that is " +
    "imported once, through its hook for signing elsewhere, as its own way reads, decrypts and imports the " +
    "key for each; it makes its router and all its endpoints anew for every request",
});
