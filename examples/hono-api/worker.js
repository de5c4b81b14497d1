// The API as a Cloudflare Worker.

import { ordersApi } from "./app.js";

/** One for the life of the isolate: it remembers the issuer's keys. @type {ReturnType<typeof ordersApi>} */
let app;

export default {
  /**
   * @param {Request} request @param {{ ISSUER: string, AUDIENCE: string }} env
   * @returns {Response | Promise<Response>}
   */
  fetch(request, env) {
    app ??= ordersApi({ issuer: env.ISSUER, audience: env.AUDIENCE });
    return app.fetch(request);
  },
};
