//! The first administrator: made with a one-time secret from the host's secret storage.
//!
//! The secret is as good as the master key for whoever holds it, so it is dead once it was used. A new
//! one makes another administrator, for an operator who has lost the first.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::access::Caller;
use super::applications::check_name;
use super::command::{NewTenant, TenantChange};
use super::error::{AdministrationError, Done};
use super::records::{Reply, Transaction};
use super::{Administration, Command};
use crate::base64url;
use crate::directory::{Name, Tenant, TenantName};
use crate::error::Reason;
use crate::issuer::{Host, Issuer};
use crate::json;
use crate::store::{Commit, Expected, Partition, Store, Write};
use crate::time::UnixTime;

/// The partition of the digests of the secrets that were used.
const USED: &str = "bootstrap";
/// Fewest characters of the secret.
const MIN: usize = 32;
/// Most bytes of it.
const MAX: usize = 1_024;

/// The one-time secret, as digests: debug output shows nothing of it.
pub struct BootstrapSecret {
    /// What a presented one is compared with.
    digest: [u8; 32],
}

/// The bootstrap secret is too short to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootstrapSecretError;

impl fmt::Display for BootstrapSecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bootstrap secret is not 32 to 1024 visible ASCII characters; make one with `openssl rand -hex 32`")
    }
}

impl std::error::Error for BootstrapSecretError {}

impl fmt::Debug for BootstrapSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootstrapSecret(..)")
    }
}

impl BootstrapSecret {
    /// The secret as the host keeps it. White space around it is ignored, since secret storages add it.
    ///
    /// # Errors
    /// [`BootstrapSecretError`] if it is not 32 to 1024 visible ASCII characters.
    ///
    /// ```
    /// use edgemint::administration::BootstrapSecret;
    ///
    /// assert!(BootstrapSecret::parse("0123456789abcdef0123456789abcdef").is_ok());
    /// assert!(BootstrapSecret::parse("admin").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, BootstrapSecretError> {
        let text = text.trim();
        if !(MIN..=MAX).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(BootstrapSecretError);
        }
        Ok(Self {
            digest: digest(b"edgemint bootstrap\0", text),
        })
    }

    /// Compares in constant time.
    pub(crate) fn is(&self, presented: &str) -> bool {
        digest(b"edgemint bootstrap\0", presented)
            .ct_eq(&self.digest)
            .into()
    }

    /// Under which name its use is remembered: it tells nothing of the secret.
    fn name(&self) -> String {
        let hash = Sha256::new_with_prefix(b"edgemint bootstrap used\0").chain_update(self.digest);
        base64url::encode(&hash.finalize())
    }
}

fn digest(label: &[u8], text: &str) -> [u8; 32] {
    let text = Zeroizing::new(text.to_owned());
    let hash = Sha256::new_with_prefix(label).chain_update(text.as_bytes());
    hash.finalize().into()
}

impl<H: Host> Issuer<H> {
    /// Makes an administrator in the tenant, and the tenant of that name for people if there is none: once
    /// for a bootstrap secret.
    pub(crate) async fn bootstrap(
        &self,
        secret: &BootstrapSecret,
        tenant: &TenantName,
        display_name: Option<String>,
        now: UnixTime,
    ) -> Done<Reply> {
        let administration = Administration {
            issuer: self,
            tenant: tenant.clone(),
            caller: &Caller::OPERATOR,
            condition: None,
            repetition: None,
            now,
        };
        // Of two who come at once, both would find the secret unspent.
        if !self.host().store().guarantees().atomic {
            return Err(Reason::StoreNotAtomic.into());
        }
        // A slip costs no secret.
        if let Some(name) = &display_name {
            check_name(name)?;
        }
        let used = Write {
            name: secret.name(),
            value: Some(format!(
                r#"{{"tenant":"{tenant}","usedAt":{}}}"#,
                now.secs()
            )),
            expected: Expected::Absent,
            expires_at: None,
        };
        // Spent first: if what follows is cut short there is no administrator, and never two.
        let spent = self.host().store();
        let spent = spent.commit(&Partition::new(USED)?, &[used]).await?;
        if let Commit::Conflict(_) = spent {
            return Err(Reason::InvalidToken("the bootstrap secret was used").into());
        }
        let name = Name::Tenant(tenant.clone());
        if administration.load::<Tenant>(&name).await?.is_none() {
            let command = Command {
                tenant: tenant.clone(),
                act: super::Act::CreateTenant(NewTenant {
                    id: None,
                    settings: TenantChange {
                        display_name,
                        ..TenantChange::default()
                    },
                    administrator: None,
                }),
                condition: None,
                repetition: None,
            };
            match self.administer_as(&Caller::OPERATOR, command, now).await {
                Ok(_) | Err(AdministrationError::Exists(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let keys = administration.tenant_keys().await?;
        let made = administration.administrator(None, &keys)?;
        let id = &made.application.client_id;
        let mut transaction = Transaction::default().tell("administrator_created", id.as_str());
        let name = Name::Application(tenant.clone(), id.clone());
        transaction.put(name, json::write(&made.application)?, Expected::Absent)?;
        let reply = Reply {
            created: Some(id.to_string()),
            ..Reply::of(&made.shown(Some(tenant.as_str())))?
        };
        match administration.commit(transaction, &reply).await? {
            None => Ok(reply),
            Some(_) => Err(Reason::Internal("a random id was taken".into()).into()),
        }
    }
}
