// oidc-provider by Filip Skokan, on Node: on this one, and for client credentials on those before it, which the
// budget against it is stated for (docs/decisions/0017).

import { nodePeer, otherNode } from "./shared/node.js";

const description = {
  name: "oidc-provider",
  module: "oidc-provider",
  program: "oidc-provider/server.js",
  note:
    "Node signs on other threads, whose CPU is counted; the store is a map in its memory; client secrets " +
    "are kept as they are; a refresh token is a random string that is looked up",
};

export const peer = nodePeer(description);

export const others = (/** @type {const} */ (["node22", "node20"])).map((name) => {
  const note = "the same program on an older Node";
  return { ...nodePeer({ ...description, note }, otherNode(name)), refresh: undefined };
});
