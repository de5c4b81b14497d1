// Microsoft's own clients and validators, as they are, against `cargo xtask dev --https` on this machine.
//
// `cargo xtask test --only microsoft` installs them and runs this. One file, so that one worker serves all.

import "./msal.js";
import "./identity.js";
import "./validation.js";
import "./guide.js";
