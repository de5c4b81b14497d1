// What a worker costs that does nothing.

export default {
  fetch: () => new Response("hello"),
};
