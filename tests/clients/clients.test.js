// OAuth clients that nobody here wrote, as their users have them, against `edgemint serve`.
//
// `cargo xtask test --only clients` runs this, once it has installed them.

import { curl } from "./curl.js";
import { openidClient } from "./openid-client.js";
import { passportOauth2 } from "./passport.js";
import { python } from "./python.js";
import { rust } from "./rust.js";
import { simpleOauth2 } from "./simple-oauth2.js";
import { startWorlds } from "./world.js";

const { secure, plain } = await startWorlds();

openidClient(secure);
openidClient(plain);
simpleOauth2(plain);
passportOauth2(plain);
// Python's clients take nothing but TLS, nor do Rust's to revoke.
python(secure);
rust(secure);
curl(secure);
curl(plain);
