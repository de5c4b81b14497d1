// What an administrator does, as types: the acts in process, and the documents that they and the
// administration API (openapi.json) answer with. Times are seconds since 1970.

import type { Algorithm, GrantType, RefreshPolicy } from "./index.js";

/** What a change may be based on: the `version` of the document that it was read from. */
export interface Conditional {
  /**
   * Refuses with `precondition_failed` if another version is stored by now. On a store that does not
   * promise to be atomic, two changes at one moment can both find it.
   */
  ifMatch?: string;
}

/** What makes a repeated creation the same one. */
export interface Repeatable {
  /**
   * For 24 hours, the same key answers the same again: 1 to 128 visible ASCII characters. It takes a store
   * that promises to be atomic, as every act does that creates something once.
   */
  idempotencyKey?: string;
}

/** Which part of a listing. */
export interface Range {
  /** `next` of the page before. */
  cursor?: string;
  /** 1 to 1000. @default 100 */
  limit?: number;
}

/** A part of a listing. */
export interface Page<Item> {
  items: Item[];
  /** Where to go on; absent on the last page. */
  next?: string;
}

/** A tenant. */
export interface Tenant {
  /** The first segment of its paths. */
  tenant: string;
  /** A UUID: the `tid` of its tokens. */
  id: string;
  displayName: string;
  algorithm: Algorithm;
  /** Seconds. */
  accessTokenLifetime: number;
  loginUrl?: string;
  entra?: boolean;
  domains?: string[];
  policies?: string[];
  createdAt: number;
  version: string;
}

/** An application, with its secrets as far as they may be shown. */
export interface Application {
  clientId: string;
  displayName: string;
  kind: "confidential" | "public";
  disabled: boolean;
  grantTypes: GrantType[];
  redirectUris: string[];
  refresh: Required<RefreshPolicy>;
  introspects: string[];
  secrets: SecretInfo[];
  assignments: { api: string; roles: string[]; assignedAt: number }[];
  createdAt: number;
  version: string;
}

/** What is shown of a secret. */
export interface SecretInfo {
  keyId: string;
  displayName: string;
  /** Its first 3 characters after the prefix. */
  hint: string;
  starts: number;
  ends: number;
}

/** A secret that was added. */
export interface AddedSecret extends SecretInfo {
  clientId: string;
  /** If it was made here: shown now and never again. */
  secret?: string;
}

/** An API with its app roles and scopes. */
export interface Api {
  identifier: string;
  displayName: string;
  roles: { value: string; id: string; displayName: string }[];
  scopes: { value: string; displayName: string }[];
  assignmentRequired: boolean;
  algorithm?: Algorithm;
  accessTokenLifetime?: number;
  appId?: string;
  requestedAccessTokenVersion?: 1 | 2;
  optionalClaims?: "idtyp"[];
  createdAt: number;
  version: string;
}

/** A signing key. */
export interface Key {
  /** Its RFC 7638 thumbprint. */
  kid: string;
  algorithm: Algorithm;
  state: "announced" | "active" | "retired";
  /** When it starts to sign, or started. */
  starts: number;
  /** The id of the master key that it is sealed under. */
  master: string;
}

/** Something that an administrator did. */
export interface AdministrativeEvent {
  id: string;
  time: number;
  kind: "done";
  /** Such as `application_created`. */
  reason: string;
  tenant: string;
  /** Who did it; absent for the operator, in process. */
  clientId?: string;
  /** What it was done to. */
  detail: string;
}

/** What a tenant says of itself. */
export interface TenantSettings {
  displayName?: string;
  /** Another one takes over when its key, which is announced now, starts. @default "ES256" */
  algorithm?: Algorithm;
  /** Seconds, 60 to 86400. @default 3600 */
  accessTokenLifetime?: number;
  /** The page that signs users in; null takes it away. */
  loginUrl?: string | null;
  /** Whether it answers at the endpoints of Entra, too. @default false */
  entra?: boolean;
  /** Domains that name it in URLs of Entra and B2C. */
  domains?: string[];
  /** Policies for which it answers at the endpoints of B2C, too. */
  policies?: string[];
}

/** What is said of an application. */
export interface ApplicationSettings {
  displayName?: string;
  /** Whether it gets no more tokens. */
  disabled?: boolean;
  /**
   * @default codes and refresh tokens for a public application and one with redirect URIs; client
   * credentials for a confidential one
   */
  grantTypes?: GrantType[];
  /** Where answers to its authorization requests may go; compared byte by byte. */
  redirectUris?: string[];
  /** How long the sessions of its users last. It is replaced as a whole. */
  refresh?: RefreshPolicy;
  /** The APIs whose access tokens it may introspect, beside its own tokens. */
  introspects?: string[];
}

/** An application to register. */
export interface NewApplication extends ApplicationSettings {
  /**
   * An id to keep; a random UUID by default. It is the `sub` of the application's own tokens: over HTTP, one
   * that is no UUID takes `RoleManagement.ReadWrite.All`.
   */
  clientId?: string;
  /** @default "confidential" */
  kind?: "confidential" | "public";
}

/** A secret to add. */
export interface NewSecret {
  displayName?: string;
  /** One to keep, of at least 32 characters; a random one by default. */
  secret?: string;
  /** @default now */
  starts?: number;
  /** @default 180 days after its start */
  ends?: number;
}

/** What is said of an API. */
export interface ApiSettings {
  displayName?: string;
  /** The app roles that it exposes to applications: all of them. */
  roles?: { value: string; displayName?: string }[];
  /** What users may grant applications on it: all of it. */
  scopes?: { value: string; displayName?: string }[];
  /** Whether an application without any role on it is refused a token. @default false */
  assignmentRequired?: boolean;
  /** If not as the tenant says; null is as the tenant says. */
  algorithm?: Algorithm | null;
  /** Seconds, if not as the tenant says; null is as the tenant says. */
  accessTokenLifetime?: number | null;
  /** Its client id, as Entra and B2C name it: a UUID. */
  appId?: string;
  /** The version of its tokens from Entra's endpoints; null is the default again. @default 2 */
  requestedAccessTokenVersion?: 1 | 2 | null;
  /** Claims that its tokens from Entra's endpoints carry beyond the others. */
  optionalClaims?: "idtyp"[];
}

/** In which tenant. */
interface In {
  tenant: string;
}

/** Which application. */
interface Of extends In {
  clientId: string;
}

/**
 * The directory's administration, in process. Whoever holds it is the operator: nothing is checked here.
 * Each act is one transaction, with the event that tells of it. Rejects with an `EdgemintError`.
 */
export interface Administration {
  /** Makes a tenant with a signing key, and an administrator if `administrator` is given. */
  createTenant(
    act: In & TenantSettings & Repeatable & { id?: string; administrator?: { displayName?: string } },
  ): Promise<{ tenant: string; id: string; administrator?: AddedSecret }>;
  getTenant(act: In): Promise<Tenant>;
  /** What is not given stays. */
  updateTenant(act: In & TenantSettings & Conditional): Promise<Tenant>;
  /** The names of all tenants. */
  listTenants(act?: Partial<In> & Range): Promise<Page<string>>;
  /**
   * What is due, for once a day. Announces the next key of each algorithm 14 days before the 90 days of the
   * present one are over, unless another one starts by then; makes a key of the tenant's algorithm if there
   * is none; and does what `resealKeys` does. Repeating it does nothing.
   */
  maintain(act: In): Promise<{ announced: string[]; resealed: boolean }>;

  createApplication(act: In & NewApplication & Repeatable): Promise<Application>;
  /** All of them or none, 500 with 5000 secrets and assignments at most, with secrets from elsewhere and role assignments. */
  importApplications(
    act: In &
      Repeatable & {
        applications: (NewApplication & {
          secrets?: (NewSecret & { secret: string })[];
          assignments?: { api: string; roles: string[] }[];
        })[];
      },
  ): Promise<{ items: { clientId: string }[] }>;
  getApplication(act: Of): Promise<Application>;
  listApplications(act: In & Range): Promise<Page<Application>>;
  /** What is not given stays. */
  updateApplication(act: Of & ApplicationSettings & Conditional): Promise<Application>;
  /** Its tokens are refused from then on, and its sessions are over. */
  deleteApplication(act: Of & Conditional): Promise<object>;
  addSecret(act: Of & NewSecret & Conditional & Repeatable): Promise<AddedSecret>;
  removeSecret(act: Of & Conditional & { keyId: string }): Promise<object>;
  /** Grants app roles beside those that are granted: admin consent. */
  assignRoles(act: Of & Conditional & { api: string; roles: string[] }): Promise<Application>;
  /** Grants these app roles on an API and no others. */
  setRoles(act: Of & Conditional & { api: string; roles: string[] }): Promise<Application>;
  /** Takes app roles on an API away: all of them, if none is named. */
  removeRoles(act: Of & Conditional & { api: string; roles?: string[] }): Promise<object>;
  /** Takes one app role on an API away. */
  removeRole(act: Of & Conditional & { api: string; role: string }): Promise<object>;

  createApi(act: In & ApiSettings & Repeatable & { identifier: string }): Promise<Api>;
  getApi(act: In & { identifier: string }): Promise<Api>;
  listApis(act: In & Range): Promise<Page<Api>>;
  /** What is not given stays. */
  updateApi(act: In & ApiSettings & Conditional & { identifier: string }): Promise<Api>;
  /** What was granted on it is void, also if an API of that name is registered again. */
  deleteApi(act: In & Conditional & { identifier: string }): Promise<object>;

  listKeys(act: In): Promise<{
    items: Key[];
    /** The id of the master key in use. */
    master: string;
    /** The ids of all master keys that something of the ring is sealed under. */
    sealedUnder: string[];
  }>;
  /**
   * Makes a signing key. Until `starts` it is announced in the JWKS: two hours by default, so that every
   * cached JWKS has it, a year at most. `starts: 0` is at once, for emergencies.
   */
  rotateKey(act: In & Repeatable & { algorithm?: Algorithm; starts?: number }): Promise<Key>;
  /**
   * Takes a key out of the JWKS at once, whatever it has signed: for one that has leaked. The last one that
   * signs with an algorithm of the tenant or an API stays: first make another that starts at once.
   */
  removeKey(act: In & { kid: string }): Promise<object>;
  /** Seals under the master key what is sealed under the previous one. */
  resealKeys(act: In): Promise<{ resealed: boolean }>;

  /** What administrators did, the newest first. */
  listEvents(act: In & Range): Promise<Page<AdministrativeEvent>>;
}
