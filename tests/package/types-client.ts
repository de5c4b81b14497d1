// What the types of `edgemint/client` promise, held by tsc: this file is compiled, not run.

import { TokenSourceError, tokenSource } from "edgemint/client";
import type { AccessToken, TokenSource, TokenSourceErrorCode } from "edgemint/client";
import { expectTypeOf } from "expect-type";

const application = {
  issuer: "https://auth.example.com/contoso",
  clientId: "a",
  clientSecret: "b",
} as const;
const source = tokenSource({ ...application, scope: ["api://orders/.default"] });
expectTypeOf(source).toEqualTypeOf<TokenSource>();
expectTypeOf(await source.token()).toEqualTypeOf<string>();
expectTypeOf(await source.get({ signal: AbortSignal.timeout(1) })).toEqualTypeOf<AccessToken>();
expectTypeOf(source.invalidate).parameters.toEqualTypeOf<[token?: string]>();

// It goes where a `fetch` is asked for.
const fetched: typeof fetch = source.fetch;
void fetched;
tokenSource({ ...application, fetch });
tokenSource({ ...application, clientSecret: async () => "b", resource: "api://orders" });

// What comes out of the environment may be missing, and is refused when it is.
tokenSource({
  ...application,
  clientId: process.env.CLIENT_ID,
  clientSecret: process.env.CLIENT_SECRET,
});

// @ts-expect-error a secret is needed
tokenSource({ issuer: "https://auth.example.com/contoso", clientId: "a" });
// @ts-expect-error one of two ways
tokenSource({ ...application, authentication: "none" });

try {
  await source.token();
} catch (error) {
  if (error instanceof TokenSourceError) {
    expectTypeOf(error.code).toEqualTypeOf<TokenSourceErrorCode>();
    expectTypeOf(error.retryAfter).toEqualTypeOf<number | undefined>();
    // @ts-expect-error the codes are a closed list
    if (error.code === "no_such_code") throw error;
  }
}
