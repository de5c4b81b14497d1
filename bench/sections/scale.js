// What a token costs with how many applications, tenants and app roles. Two questions each: while what is
// asked for is in memory, as it is in a service at work, and while every record is read for every token. For
// the second, nothing is cached on either side, so that both read the same number of records.

import { checkOf } from "../budgets.js";
import { compare, figuresOf, load, ratioOf, tableOf } from "../measure.js";
import { clientIdOf, tenantOf } from "../scale/directories.js";
import { contestant, startStorage, startWorker } from "../scale/service.js";

/**
 * @typedef {import("../measure.js").Comparison} Comparison
 * @typedef {import("../scale/service.js").Clients} Clients
 * @typedef {import("../servers.js").Server} Server
 * @typedef {Record<"applications" | "tenants" | "roles", number[]>} Sizes each from one on
 * @typedef {Sizes & { beyond: number }} Scale and so many tenants that no cache holds them
 */

/** @type {Scale} */
const WHOLE = {
  applications: [1, 1000, 100_000, 1_000_000],
  tenants: [1, 100, 10_000],
  roles: [1, 100, 1000],
  // Four records each, and there is room for 10,000.
  beyond: 3000,
};
/** @type {Scale} */
const QUICK = { ...WHOLE, applications: [1, 1000, 20_000], tenants: [1, 100, 500], beyond: 300 };
/** Seconds, once the server is warm: for what one contestant alone needs. */
const WARM_UP = 1;
/** What all are held against. */
const SMALL = "1 application, 1 tenant, 1 role";

const count = (/** @type {number} */ value) => value.toLocaleString("en-US");
/** Names of tenants. */
const withApplications = (/** @type {number} */ size) => `applications-${size}`;
const withRoles = (/** @type {number} */ size) => `roles-${size}`;

/** The smallest tenant's application, again and again. @type {Clients} */
const one = { tenant: withApplications(1) };
/** @param {number} clients @returns {Clients} */
const applicationsInTurns = (clients) => {
  return { tenant: withApplications(clients), clientId: "app-{}", clients };
};
/** @param {number} clients @returns {Clients} */
const tenantsInTurns = (clients) => ({ tenant: "tenant-{}", clients });

/** @type {import("../report.js").Section} */
export const section = {
  name: "scale",
  title: "From one application to a million",
  // Four told a noise of 40 %.
  rounds: { rounds: 8, seconds: 3 },
  async run(context) {
    const { folder, tell, quick } = context;
    const scale = quick ? QUICK : WHOLE;
    const storage = await startStorage(folder, wanted(scale));
    const { directories, kv } = storage;
    const took = `${directories.seconds.toFixed(0)} s`;
    const made = `${count(directories.applications)} applications were made in ${took}`;
    tell(`${made}; their KV has ${(kv.memory() / 1e6).toFixed(0)} MB`);
    // One that knows only the smallest, one that has met them all, and one that remembers nothing.
    const small = await startWorker(folder, storage);
    const large = await startWorker(folder, storage);
    const forgetful = await startWorker(folder, storage, { bindings: { CACHE_TTL: "0" } });
    try {
      const measured = await measureAll(context, scale, directories, { small, large, forgetful });
      const notes = [`${made}, by the administration itself, in ${count(wanted(scale).length)} tenants.`];
      return resultsOf(scale, measured, [...notes, ...NOTES]);
    } finally {
      for (const server of [small, large, forgetful, kv]) await server.stop();
    }
  },
};

/**
 * @param {import("../report.js").Context} context @param {Scale} scale
 * @param {import("../scale/directories.js").Directories} directories
 * @param {Record<"small" | "large" | "forgetful", Server>} servers
 */
async function measureAll(context, scale, directories, { small, large, forgetful }) {
  /** @param {string} name @param {Server} server @param {Clients} asking */
  const asked = (name, server, asking) => contestant(name, server, directories, asking);
  const [, ...applications] = scale.applications;
  const [, ...tenants] = scale.tenants;
  const [, ...roles] = scale.roles;
  const [mostTenants, ...lessTenants] = tenants.toReversed();
  /** @type {Set<Server>} */
  const warm = new Set();

  // The first: it fills the cache of the large one with all that it can hold.
  const turning = await measure(context, warm, [
    asked(SMALL, small, one),
    ...applications.slice(1).map((size) => {
      return asked(`${count(size)} applications`, large, applicationsInTurns(size));
    }),
    asked(`${count(mostTenants)} tenants`, large, tenantsInTurns(mostTenants)),
  ]);
  const cached = await measure(context, warm, [
    asked(SMALL, small, one),
    ...applications.map((size) => {
      const last = { tenant: withApplications(size), clientId: clientIdOf(size - 1) };
      return asked(`${count(size)} applications`, large, last);
    }),
    ...lessTenants.map((size) => asked(`${count(size)} tenants`, large, tenantsInTurns(size))),
    asked(`${count(mostTenants)} tenants`, large, { tenant: tenantOf(mostTenants - 1) }),
    ...roles.map((size) => asked(`${count(size)} roles`, large, { tenant: withRoles(size) })),
  ]);
  const read = await measure(context, warm, [
    asked(SMALL, forgetful, one),
    ...applications.map((size) => {
      return asked(`${count(size)} applications`, forgetful, applicationsInTurns(size));
    }),
    ...inOrder([...tenants, scale.beyond]).map((size) => {
      return asked(`${count(size)} tenants`, forgetful, tenantsInTurns(size));
    }),
    ...roles.map((size) => asked(`${count(size)} roles`, forgetful, { tenant: withRoles(size) })),
  ]);
  return { turning, cached, read };
}

/**
 * @param {Scale} scale @param {Awaited<ReturnType<typeof measureAll>>} measured @param {string[]} notes
 * @returns {import("../report.js").Results}
 */
function resultsOf(scale, { turning, cached, read }, notes) {
  return {
    title: section.title,
    tables: [
      tableOf("A token, with what it takes in memory", cached, "the small one"),
      tableOf("A token, every record read for every token", read, "the small one"),
      tableOf("A token of another client each time, of more than the cache holds", turning, "the small one"),
    ],
    checks: checksOf(scale, cached, read),
    plots: plotsOf(scale, cached, read),
    figures: [...named("in memory", cached), ...named("read each time", read)],
    notes,
  };
}

const NOTES = [
  "Their records are in a KV of a process of its own, whose CPU is not counted. Each application has a " +
    "secret and one app role; all tokens are of one length.",
  "In memory: the same client again and again, by a worker that has met all of them, against a worker that " +
    "has met one. Of 100 tenants, each token is another one's.",
  "Read each time: `CACHE_TTL` is 0, and each token is another client's. It takes four reads, of the tenant, " +
    "its keys and the application at once, then of the API.",
  "Keys that were read again and are the same stay imported. Of more tenants than the cache has room for, they " +
    "are unsealed and imported for each token, too: that is what the first token of a tenant costs, and so " +
    "10,000 tenants are held against 3,000.",
  "An API with many app roles is a larger record. It costs where it is read, which a worker with its default " +
    "settings does every 15 seconds, not where it is used: there is no budget for reading it each time.",
  "More than the cache holds: with the default settings, one read for each token of another application, " +
    "four for each of another tenant.",
];

/** The tenants. @param {Sizes} sizes @returns {import("../scale/directories.js").Wanted[]} */
function wanted({ applications, tenants, roles }) {
  return [
    ...applications.map((size) => ({ tenant: withApplications(size), applications: size })),
    ...Array.from({ length: Math.max(...tenants) }, (_, at) => ({ tenant: tenantOf(at) })),
    ...roles.map((size) => ({ tenant: withRoles(size), roles: size })),
  ];
}

/**
 * @param {import("../report.js").Context} context
 * @param {Set<Server>} warm those that have been loaded
 * @param {import("../measure.js").Contestant[]} contestants
 */
async function measure(context, warm, contestants) {
  const { warmUp, connections, tell } = context;
  for (const one of contestants) {
    if (warmUp > 0 && !warm.has(one.server)) await load(one, warmUp, connections, tell);
    warm.add(one.server);
  }
  return compare({ ...context, contestants, warmUp: WARM_UP, keep: true });
}

/** @param {Scale} sizes @param {Comparison} cached @param {Comparison} read */
function checksOf(sizes, cached, read) {
  /** @param {"applications" | "tenants" | "roles"} of */
  const most = (of) => `${count(Math.max(...sizes[of]))} ${of}`;
  /** @param {keyof Sizes} of @param {Comparison} comparison @param {string} how */
  const check = (of, comparison, how) => checkOf(of, ratioOf(comparison, most(of), SMALL), `, ${how}`);
  const beyond = `${count(sizes.beyond)} tenants`;
  return [
    check("applications", cached, "in memory"),
    check("applications", read, "read each time"),
    check("tenants", cached, "in memory"),
    {
      ...checkOf("tenants", ratioOf(read, most("tenants"), beyond)),
      what: `a token with ${most("tenants")} / with ${beyond}, read each time`,
    },
    check("roles", cached, "in memory"),
  ];
}

/** @param {number[]} sizes */
const inOrder = (sizes) => sizes.toSorted((one, other) => one - other);

/** @param {Scale} scale @param {Comparison} cached @param {Comparison} read */
function plotsOf({ beyond, ...scale }, cached, read) {
  const measured = { ...scale, tenants: inOrder([...scale.tenants, beyond]) };
  return Object.entries(measured).map(([of, sizes]) => {
    const points = (/** @type {Comparison} */ comparison) =>
      sizes.flatMap((size) => {
        const name = size === 1 ? SMALL : `${count(size)} ${of}`;
        const found = comparison.find((measured) => measured.name === name);
        return found ? [/** @type {[number, number]} */ ([size, Number(found.cpu.value.toFixed(1))])] : [];
      });
    /** @type {import("../report.js").Plot} */
    const plot = {
      name: `scale-${of}`,
      title: `CPU per token by the number of ${of}`,
      x: of,
      y: "CPU us per token",
      kind: "lines",
      logarithmic: true,
      series: [
        { name: "in memory", points: points(cached) },
        { name: "every record read for every token", points: points(read) },
      ],
    };
    return plot;
  });
}

/** What a second run is held against. @param {string} how @param {Comparison} comparison */
function named(how, comparison) {
  const figures = figuresOf(comparison.slice(1));
  return figures.map(({ what, ...figure }) => ({ what: `${what}, ${how}`, ...figure }));
}
