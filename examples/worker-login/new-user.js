// Prints the SQL that adds a user; the password is a line of standard input.
//
//   npx wrangler d1 execute users --command "$(node new-user.js demo ada "Ada Lovelace" < password)"

import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { hashed } from "./passwords.js";

const [tenant, username, name] = process.argv.slice(2);
const password = (await text(process.stdin)).split("\n")[0];
if (!name || password === "") {
  console.error('usage: node new-user.js TENANT USERNAME "FULL NAME" < PASSWORD-FILE');
  process.exit(2);
}
const values = [tenant, username, randomUUID(), name, await hashed(password)];
const quoted = values.map((value) => `'${value.replaceAll("'", "''")}'`);
console.log(`INSERT INTO users (tenant, username, subject, name, password) VALUES (${quoted.join(", ")});`);
