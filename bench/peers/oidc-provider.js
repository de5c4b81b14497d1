// oidc-provider by Filip Skokan, on the two Nodes that it supports: what it costs is less with the newer one
// (docs/decisions/0017).

import { installed } from "../runtimes.js";
import { nodePeer } from "./shared/node.js";

const description = {
  name: "oidc-provider",
  module: "oidc-provider",
  program: "oidc-provider/server.js",
  note:
    "Node signs on other threads, whose CPU is counted; the store is a map in its memory; client secrets " +
    "are kept as they are; a refresh token is a random string that is looked up",
};

export const peer = nodePeer(description);

const older = nodePeer({ ...description, note: "the same program on an older Node" }, installed("node22/bin/node"));

export const others = [{ ...older, refresh: undefined }];
