// oidc-provider by Filip Skokan, on Node.

import { nodePeer } from "./shared/node.js";

export const peer = nodePeer({
  name: "oidc-provider",
  module: "oidc-provider",
  program: "oidc-provider/server.js",
  note:
    "Node signs on other threads, whose CPU is counted; the store is a map in its memory; client secrets " +
    "are kept as they are; a refresh token is a random string that is looked up",
});
