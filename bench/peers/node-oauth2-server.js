// @node-oauth/oauth2-server, on Node.

import { nodePeer } from "./shared/node.js";

export const peer = nodePeer({
  name: "@node-oauth/oauth2-server",
  module: "@node-oauth/oauth2-server",
  program: "node-oauth2-server/server.js",
  note:
    "over node:http, with a model of our own in its memory; tokens are signed by jose, on Node's other " +
    "threads, whose CPU is counted; a replayed refresh token is refused but revokes nothing",
});
