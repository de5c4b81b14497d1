// What passport-azure-ad, which has no types, looks like to the tests.

declare module "passport-azure-ad" {
  export class BearerStrategy {
    constructor(
      options: Record<string, unknown>,
      verify: (claims: any, done: (error: null, user: any, info: any) => void) => void,
    );
    authenticate(request: object, options: object): void;
    success(user: any): void;
    fail(challenge: string): void;
    error(error: Error): void;
  }
}
