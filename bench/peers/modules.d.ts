// What peers have no types for. They are configured in one place each, and the benchmark verifies what
// they answer.
declare module "oidc-provider";
