//! Where most scenarios take place: a gateway in front of a server that keeps a journal.

use std::time::Duration;

use portcullis_testkit::{
    gateway::{Gateway, Record, Setup},
    journal::{Journal, Kind as Message, Received},
    server::HttpServer,
};
use tempfile::TempDir;

use crate::{
    attack::{last, number},
    http::{Request, exchange},
    message::{call, text_of},
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

/// How long what has to happen may take: a bound for a machine that is busy, and no claim about speed.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// Its endpoint on the gateway.
pub(crate) const NOTES: &str = "/mcp/notes";
/// The tool that twins call, and what it says.
pub(crate) const ALLOWED: &str = "test_simple_text";
pub(crate) const SAYS: &str = "This is a simple text response for testing.";
/// A tool that the policy forbids.
pub(crate) const FORBIDDEN: &str = "test_image_content";
/// Everything but [`FORBIDDEN`].
const POLICY: &str = r#"
@id("rest") permit (principal, action, resource);
@id("not-this") forbid (principal, action, resource == Mcp::Tool::"notes/test_image_content");
"#;
/// What the gateway asks a server of its own accord.
const OWN: &[&str] = &["server/discover", "tools/list", "subscriptions/listen"];

/// The server `notes`, its journal, and a gateway in front of it.
pub(crate) struct Ground {
    pub(crate) gateway: Gateway,
    journal: Journal,
    served: usize,
    _server: HttpServer,
    _home: TempDir,
}

impl Ground {
    /// A ground whose gateway is set up as `with` says.
    pub(crate) async fn open(place: &Place, with: impl FnOnce(Setup) -> Setup) -> Result<Self, Trouble> {
        let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
        let journal = Journal::at(home.path().join("journal"));
        let server = HttpServer::fixture(Some(journal.path())).await?;
        let setup = place.setup().http("notes", server.url()).policy(POLICY);
        let gateway = with(setup).start().await?;
        Ok(Self { gateway, journal, served: 0, _server: server, _home: home })
    }

    /// A call that any scenario's attacks pretend to be.
    pub(crate) fn honest() -> Request {
        Request::call(NOTES, ALLOWED, call(ALLOWED, "{}"))
    }

    /// Sends a request that has to be served: answered by the server, on record, and in the journal once.
    pub(crate) async fn serve(
        &mut self,
        report: &mut Report,
        name: &str,
        request: &Request,
        judge: crate::attack::Judge,
    ) -> Result<(), Trouble> {
        let before = last(&self.gateway)?;
        let answer = exchange(self.gateway.address(), &request.bytes()).await?.first();
        let said = text_of(&answer.json()).to_owned();
        let mut passed = answer.status == 200 && said == SAYS;
        let mut seen = format!("{} `{}`", answer.status, if said.is_empty() { &answer.body } else { &said });
        if let Some(objection) = judge(&answer) {
            passed = false;
            seen = format!("{seen}, {objection}");
        }
        if passed {
            self.served += 1;
            seen = format!("{seen}, {}", self.outcome(before).await?);
            passed = seen.ends_with("completed") && self.effects()?.len() == self.served;
        }
        report.check(Kind::Twin, name, "200, completed on record, once in the journal", seen, passed);
        Ok(())
    }

    /// Says that this many calls more than [`Self::serve`] saw were served rightly.
    pub(crate) fn expect_served(&mut self, more: usize) {
        self.served += more;
    }

    /// What the log says became of the first call allowed after record `before`.
    async fn outcome(&self, before: u64) -> Result<String, Trouble> {
        let ours = |it: &Record| number(it) > before && it.allows("tools/call", "notes", ALLOWED);
        let decision = self.gateway.wait_for("the decision", SOON, ours).await?;
        let its = |it: &Record| it.text("decision") == decision.text("id");
        Ok(self.gateway.wait_for("the outcome", SOON, its).await?.text("outcome").to_owned())
    }

    /// What reached the server because of a client. What was sent earlier than a call that was served has
    /// arrived by then.
    pub(crate) fn effects(&self) -> Result<Vec<Received>, Trouble> {
        let own = |it: &Received| it.method.as_deref().is_some_and(|method| OWN.contains(&method));
        let received = self.journal.received()?.into_iter();
        Ok(received.filter(|it| it.kind != Message::Bodyless && !own(it)).collect())
    }

    /// Notes that the server saw the twins and nothing else.
    pub(crate) fn silence(&self, report: &mut Report) -> Result<(), Trouble> {
        let effects = self.effects()?;
        let strangers: Vec<_> =
            effects.iter().filter(|it| !it.calls(ALLOWED)).map(|it| it.body.clone()).collect();
        report.state("messages of clients that reached the server", self.served, effects.len());
        report.state("messages other than the twins' call", Vec::<String>::new(), strangers);
        Ok(())
    }
}
