//! How administration reads and writes: versions, transactions, events, repetitions.
//!
//! What belongs together is one transaction of the tenant's partition: the records, the event that
//! tells of them, and the answer to a repetition. A store without transactions writes them one after
//! another in this order.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Administration;
use super::command::{Range, Repetition};
use super::error::{AdministrationError, Done, exists, invalid, missing};
use crate::base64url;
use crate::directory::{Name, Tenant, TenantName, parse};
use crate::event::{Event, EventSink, Kind};
use crate::issuer::Host;
use crate::json::{self, JsonError, Member, Members, Value, record};
use crate::key::{Seal, Sealed};
use crate::store::{Commit, Expected, Key, Partition, Put, Store, Write};

/// Rounds after which a change gives up: each means that somebody else's came in between.
const ROUNDS: usize = 16;
/// Seconds for which a repetition is answered the same again.
const REPETITION: u64 = 86_400;
/// Seconds for which a tenant has an id or a domain that it is about to be written with.
const PENDING: u64 = 60;
/// Seconds for which an event is kept: 400 days, so that a year can be looked back on.
const RETENTION: u64 = 400 * 86_400;
/// Most bytes of a record: a row of a Durable Object holds 2 MB.
const MAX_RECORD: usize = 1_500_000;
/// How the names of events start.
pub(super) const EVENTS: &str = "event/";
/// How the names of answers to repetitions start.
const REPETITIONS: &str = "idempotency/";

/// What an act answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reply {
    /// A JSON document, if there is something to say.
    pub(crate) body: Option<String>,
    /// The version of the document.
    pub(crate) version: Option<String>,
    /// The name of what was made, below the collection that it was made in.
    pub(crate) created: Option<String>,
}

impl Reply {
    /// A document without a version.
    pub(super) fn of(document: &impl Serialize) -> Done<Self> {
        Ok(Self {
            body: Some(json::write(document)?),
            ..Self::default()
        })
    }
}

/// A reply as it is kept for a repetition: sealed, since it may hold a secret.
#[derive(Serialize)]
struct Kept {
    fingerprint: String,
    body: Option<String>,
    version: Option<String>,
    created: Option<String>,
}

record!(Kept {
    fingerprint = "fingerprint",
    body = "body",
    version = "version",
    created = "created",
});

/// What has happened, for the event.
pub(super) struct Happened {
    /// A stable code.
    pub(super) reason: &'static str,
    /// What it happened to.
    pub(super) detail: String,
}

impl Happened {
    pub(super) fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { reason, detail }
    }
}

/// A change that is to be written as a whole.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) writes: Vec<Write>,
    /// The directory's records among them: what is cached of them is out of date then.
    names: Vec<Name>,
    pub(super) happened: Vec<Happened>,
}

impl Transaction {
    /// Writes a record of the directory.
    pub(super) fn put(&mut self, name: Name, value: String, expected: Expected) -> Done<()> {
        if value.len() > MAX_RECORD {
            return Err(invalid(
                "all of it together would be larger than 1.5 MB; use fewer or shorter entries",
            ));
        }
        let key = name.key()?;
        self.writes.push(Write {
            name: key.name().to_owned(),
            value: Some(value),
            expected,
            expires_at: None,
        });
        self.names.push(name);
        Ok(())
    }

    /// Deletes one.
    pub(super) fn delete(&mut self, name: Name, expected: Expected) -> Done<()> {
        self.put(name, String::new(), expected)?;
        if let Some(write) = self.writes.last_mut() {
            write.value = None;
        }
        Ok(())
    }

    pub(super) fn tell(mut self, reason: &'static str, detail: impl Into<String>) -> Self {
        self.happened.push(Happened::new(reason, detail));
        self
    }
}

/// A record as it was read.
pub(super) struct Found<T> {
    pub(super) record: T,
    pub(super) text: String,
    pub(super) expected: Expected,
}

/// The text of a record as it was read.
struct Stored {
    text: String,
    expected: Expected,
}

impl Stored {
    fn read<T: Member>(self, name: &Name) -> Done<Found<T>> {
        let Self { text, expected } = self;
        Ok(Found {
            record: parse(&name.key()?, &text)?,
            text,
            expected,
        })
    }
}

/// The version of a document: a hash of the record behind it, so that it is the same in every copy and
/// known before it is written.
pub(super) fn version(text: &str) -> String {
    let hash = Sha256::digest(text);
    let (short, _) = hash.split_at(12);
    base64url::encode(short)
}

impl<H: Host> Administration<'_, H> {
    pub(super) fn store(&self) -> &H::Store {
        self.issuer.host().store()
    }

    pub(super) fn partition(&self) -> Done<Partition> {
        Ok(Name::Tenant(self.tenant.clone()).key()?.partition().clone())
    }

    /// A record of the directory as it is stored now.
    pub(super) async fn load<T: Member>(&self, name: &Name) -> Done<Option<Found<T>>> {
        let found = self.stored(name).await?;
        found.map(|stored| stored.read(name)).transpose()
    }

    /// The same, where it must be there, in the version that the caller knows.
    pub(super) async fn load_known<T: Member>(&self, name: &Name, what: &str) -> Done<Found<T>> {
        self.stored_known(name, what).await?.read(name)
    }

    async fn stored(&self, name: &Name) -> Done<Option<Stored>> {
        let found = self.store().get(&name.key()?).await?;
        Ok(found.map(|found| Stored {
            text: found.value,
            expected: Expected::Version(found.version),
        }))
    }

    async fn stored_known(&self, name: &Name, what: &str) -> Done<Stored> {
        let stored = self.stored(name).await?;
        let stored = stored.ok_or_else(|| missing(what, name.id()))?;
        self.check_condition(&stored.text)?;
        Ok(stored)
    }

    pub(super) fn check_condition(&self, text: &str) -> Done<()> {
        let Some(condition) = &self.condition else {
            return Ok(());
        };
        // RFC 9110 section 13.1.1: any of them, compared strongly: a weak one (`W/"..."`) never is.
        let version = version(text);
        let known = |tag: &str| {
            let tag = tag.trim();
            tag == "*" || tag.trim_matches('"') == version
        };
        if condition.split(',').any(known) {
            Ok(())
        } else {
            Err(AdministrationError::Precondition)
        }
    }

    /// Reads a record, changes it, and writes it if nobody else did in between; if somebody did, once
    /// more. What the change returns is written with it.
    pub(super) async fn edit<T: Member + Serialize>(
        &self,
        name: &Name,
        what: &str,
        change: &mut dyn FnMut(&mut T) -> Done<Transaction>,
        reply: &dyn Fn(&str) -> Done<Reply>,
    ) -> Done<Reply> {
        // What waits is the same for every kind of record: it is compiled once.
        let change = &mut |stored: Stored| {
            let mut found = stored.read(name)?;
            let mut transaction = change(&mut found.record)?;
            let text = json::write(&found.record)?;
            let reply = reply(&text)?;
            transaction.put(name.clone(), text, found.expected)?;
            Ok((transaction, reply))
        };
        self.edit_stored(name, what, change).await
    }

    async fn edit_stored(
        &self,
        name: &Name,
        what: &str,
        change: &mut dyn FnMut(Stored) -> Done<(Transaction, Reply)>,
    ) -> Done<Reply> {
        for _ in 0..ROUNDS {
            let (transaction, reply) = change(self.stored_known(name, what).await?)?;
            if self.commit(transaction, &reply).await?.is_none() {
                return Ok(reply);
            }
        }
        Err(self.busy(what, name))
    }

    /// Deletes a record in the state that `allow` has seen, which answers what is written with it.
    pub(super) async fn remove<T: Member>(
        &self,
        name: &Name,
        what: &str,
        allow: &dyn Fn(&T) -> Done<Transaction>,
    ) -> Done<Reply> {
        for _ in 0..ROUNDS {
            let found = self.load_known::<T>(name, what).await?;
            let mut transaction = allow(&found.record)?;
            transaction.delete(name.clone(), found.expected)?;
            if self.commit(transaction, &Reply::default()).await?.is_none() {
                return Ok(Reply::default());
            }
        }
        Err(self.busy(what, name))
    }

    /// Makes an id or a domain lead to the tenant. It is taken from another that does not have it: not from
    /// one that is being written just now, which has a while to be finished, so that of several at a time
    /// one gets it.
    pub(super) async fn claim(&self, id: &str) -> Done<()> {
        let name = Name::Alias(id.to_owned());
        let (key, of) = (name.key()?, self.tenant.as_str());
        // Whoever comes in between is looked at, once.
        for _ in 0..2 {
            let (held, expected) = match self.store().get(&key).await? {
                None => (String::new(), Expected::Absent),
                Some(found) => (parse(&key, &found.value)?, Expected::Version(found.version)),
            };
            let (holder, until) = held.split_once(' ').unwrap_or((&held, ""));
            let is_called = match TenantName::new(holder) {
                None => false,
                Some(other) => {
                    let other = self.load::<Tenant>(&Name::Tenant(other)).await?;
                    other.is_some_and(|other| other.record.is_called(id))
                }
            };
            let is_mine = holder == of;
            if is_mine && is_called {
                return Ok(());
            }
            let is_pending = until
                .parse()
                .is_ok_and(|until: u64| until > self.now.secs());
            let until = self.now.plus(PENDING).secs().to_string();
            let text = ["\"", of, " ", &until, "\""].concat();
            if !is_mine && (is_called || is_pending) {
                break;
            }
            if let Put::Done(_) = self.store().put(&key, &text, expected, None).await? {
                return Ok(());
            }
        }
        Err(exists("another of the id or domain", id))
    }

    /// It would have to be tried for ever.
    pub(super) fn busy(&self, what: &str, name: &Name) -> AdministrationError {
        let named = [what, " `", name.id(), "`"].concat();
        AdministrationError::Conflict(
            [
                &named,
                " is being changed by others all the time; try again",
            ]
            .concat(),
        )
    }

    /// Writes it all with its events and the answer to a repetition, or nothing. Answers which write
    /// found something else than it expected, if one did.
    pub(super) async fn commit(
        &self,
        mut transaction: Transaction,
        reply: &Reply,
    ) -> Done<Option<usize>> {
        let mut events = Vec::with_capacity(transaction.happened.len());
        for happened in std::mem::take(&mut transaction.happened) {
            let (write, event) = self.event(happened)?;
            transaction.writes.push(write);
            events.push(event);
        }
        if let Some(repetition) = &self.repetition {
            let write = self.keep(repetition, reply).await?;
            transaction.writes.push(write);
        }
        let (partition, writes) = (self.partition()?, transaction.writes.len());
        match self.store().commit(&partition, &transaction.writes).await? {
            // Trying again would do it twice where the store has no transactions.
            Commit::Conflict(at) if self.repetition.is_some() && at + 1 == writes => {
                let why = "the same request is being carried out; repeat it";
                return Err(AdministrationError::Conflict(why.to_owned()));
            }
            Commit::Conflict(at) => return Ok(Some(at)),
            Commit::Done(_) => {}
        }
        for name in &transaction.names {
            self.issuer.directory().forget(name);
        }
        for event in events {
            self.issuer.host().events().emit(event);
        }
        Ok(None)
    }

    /// Tells of something that is written elsewhere.
    pub(super) async fn record(&self, happened: Happened) -> Done<()> {
        let transaction = Transaction {
            happened: vec![happened],
            ..Transaction::default()
        };
        self.commit(transaction, &Reply::default()).await.map(drop)
    }

    /// An event as it is kept, and as it is told.
    fn event(&self, Happened { reason, detail }: Happened) -> Done<(Write, Event)> {
        let mut event = Event::new(Kind::Done, reason, Some(detail), self.now);
        event.tenant = Some(self.tenant.to_string());
        event.client_id = self.caller.client_id().map(ToString::to_string);
        // Ascending names are descending times, and in a second descending numbers.
        let time = 9_999_999_999_u64.saturating_sub(self.now.secs());
        let number = self.issuer.next_number();
        let chance: [u8; 6] = crate::entropy::bytes(self.issuer.host().entropy())?;
        let chance = base64url::encode(&chance);
        let name = format!("{EVENTS}{time:010}-{:010}-{chance}", u32::MAX - number);
        let write = Write {
            name,
            value: Some(json::write(&event)?),
            expected: Expected::Absent,
            expires_at: Some(self.now.plus(RETENTION)),
        };
        Ok((write, event))
    }

    /// What was answered to the same request before.
    pub(super) async fn repeated(&self, repetition: &Repetition) -> Done<Option<Reply>> {
        let name = self.repetition_name(repetition);
        let key = Key::new(self.partition()?, name.as_str())?;
        let Some(found) = self.store().get(&key).await? else {
            return Ok(None);
        };
        let sealed: Sealed = parse(&key, &found.value)?;
        let (masters, signer) = (self.issuer.masters(), self.issuer.host().signer());
        let text = masters.open(Seal::Reply, &sealed, &name, signer).await?;
        let text = std::str::from_utf8(&text).map_err(|_| JsonError::expected("text"))?;
        let kept: Kept = json::read(text)?;
        if kept.fingerprint != base64url::encode(&repetition.fingerprint) {
            return Err(AdministrationError::Repetition);
        }
        Ok(Some(Reply {
            body: kept.body,
            version: kept.version,
            created: kept.created,
        }))
    }

    async fn keep(&self, repetition: &Repetition, reply: &Reply) -> Done<Write> {
        let name = self.repetition_name(repetition);
        let kept = Kept {
            fingerprint: base64url::encode(&repetition.fingerprint),
            body: reply.body.clone(),
            version: reply.version.clone(),
            created: reply.created.clone(),
        };
        let text = zeroize::Zeroizing::new(json::write(&kept)?);
        let host = self.issuer.host();
        let master = self.issuer.masters().current();
        let sealed = master.seal(
            Seal::Reply,
            text.as_bytes(),
            &name,
            host.signer(),
            host.entropy(),
        );
        Ok(Write {
            value: Some(json::write(&sealed.await?)?),
            name,
            expected: Expected::Absent,
            expires_at: Some(self.now.plus(REPETITION)),
        })
    }

    /// Each caller has its own keys.
    fn repetition_name(&self, repetition: &Repetition) -> String {
        let caller = self.caller.client_id().map_or("", |id| id.as_str());
        let hash = Sha256::new_with_prefix(caller)
            .chain_update(b"\0")
            .chain_update(&repetition.key)
            .finalize();
        [REPETITIONS, &base64url::encode(&hash)].concat()
    }

    /// A page of the records whose names start with `prefix`, each as `show` shows it.
    pub(super) async fn page(
        &self,
        prefix: &'static str,
        range: Range,
        show: fn(&str, &str) -> Done<String>,
    ) -> Done<Reply> {
        self.page_of(self.partition()?, prefix, range, show).await
    }

    pub(super) async fn page_of(
        &self,
        partition: Partition,
        prefix: &'static str,
        range: Range,
        show: fn(&str, &str) -> Done<String>,
    ) -> Done<Reply> {
        let mut body = String::from(r#"{"items":["#);
        let mut is_first = true;
        let see = &mut |id: &str, text: &str| {
            if !std::mem::take(&mut is_first) {
                body.push(',');
            }
            body.push_str(&show(id, text)?);
            Ok(())
        };
        let cursor = self.each(partition, prefix, range, see).await?;
        body.push(']');
        if let Some(cursor) = cursor {
            body.push_str(r#","next":"#);
            body.push_str(&json::write(&cursor)?);
        }
        body.push('}');
        Ok(Reply {
            body: Some(body),
            ..Reply::default()
        })
    }

    /// Lets each record of a page be seen. Answers where the next page begins, if there is one.
    pub(super) async fn each(
        &self,
        partition: Partition,
        prefix: &'static str,
        range: Range,
        see: &mut dyn FnMut(&str, &str) -> Done<()>,
    ) -> Done<Option<String>> {
        let store = self.store();
        let page = store
            .list(&partition, prefix, range.cursor.as_deref(), range.limit)
            .await?;
        for name in page.names {
            // A cursor that was made up leads nowhere else.
            let Some(id) = name.strip_prefix(prefix) else {
                continue;
            };
            let key = Key::new(partition.clone(), name.as_str())?;
            if let Some(found) = store.get(&key).await? {
                see(id, &found.value)?;
            }
        }
        Ok(page.cursor)
    }
}

/// An event as it is kept, with its id first.
pub(super) fn shown_event(id: &str, text: &str) -> Done<String> {
    let rest = text.strip_prefix('{').unwrap_or(text);
    Ok(["{\"id\":", &json::write(&id)?, ",", rest].concat())
}

/// The document of a record: those of its members that may be shown, and its version. What a record
/// holds beyond them (hashes, sealed keys, epochs) is shown to nobody.
pub(super) fn document(text: &str, shown: &[&str], more: &[(&str, &str)]) -> Done<String> {
    let members = Members::of(json::parse(text)?)?;
    let mut document = pick(members, shown);
    for (name, value) in more {
        document.push((*name, Value::Text((*value).into())));
    }
    let version = Value::Text(version(text).into());
    document.push(("version", version));
    Ok(json::write(&json::Shown(document))?)
}

/// The members of a secret that are shown.
const SECRET: [&str; 5] = ["keyId", "displayName", "hint", "starts", "ends"];

fn pick<'a>(mut members: Members<'a>, shown: &[&'a str]) -> Vec<(&'a str, Value<'a>)> {
    let mut document = Vec::with_capacity(shown.len() + 2);
    for name in shown {
        let Some(value) = members.value(name) else {
            continue;
        };
        let value = match value {
            Value::List(secrets) if *name == "secrets" => Value::List(
                secrets
                    .into_iter()
                    .filter_map(|secret| Members::of(secret).ok())
                    .map(|secret| {
                        let shown = pick(secret, &SECRET).into_iter();
                        Value::Object(shown.map(|(name, value)| (name.into(), value)).collect())
                    })
                    .collect(),
            ),
            value => value,
        };
        document.push((*name, value));
    }
    document
}
