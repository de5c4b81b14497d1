//! The sessions of users, as an administrator sees and ends them.

use super::Administration;
use super::error::Done;
use super::records::{Happened, Reply};
use crate::grant::Id;
use crate::issuer::Host;

impl<H: Host> Administration<'_, H> {
    pub(super) async fn list_sessions(&self, subject: String) -> Done<Reply> {
        let sessions = self.issuer.list_sessions(&self.tenant, &subject, self.now);
        Ok(Reply {
            body: Some(sessions.await?),
            ..Reply::default()
        })
    }

    pub(super) async fn end_session(&self, subject: String, id: Id) -> Done<Reply> {
        let ended = self
            .issuer
            .end_session(&self.tenant, &subject, id, self.now);
        ended.await?;
        let detail = [&*subject, ": ", &id.to_string()].concat();
        self.record(Happened::new("session_ended", detail)).await?;
        Ok(Reply::default())
    }

    pub(super) async fn end_user_sessions(&self, subject: String) -> Done<Reply> {
        let ended = self
            .issuer
            .end_user_sessions(&self.tenant, &subject, self.now);
        ended.await?;
        self.record(Happened::new("user_sessions_ended", subject))
            .await?;
        Ok(Reply::default())
    }
}
