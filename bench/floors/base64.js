// What the floors write base64url with, where the runtime has only `Buffer` for it, as Node 24 has.

Uint8Array.prototype.toBase64 ??= function () {
  return Buffer.from(this.buffer, this.byteOffset, this.byteLength).toString("base64url");
};
