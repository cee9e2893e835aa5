//! The doors below `/_tidegate/`: one request, its answer in the door's own words, one audit record.

use super::{Pipeline, sts::LARGEST_FORM};
use crate::audit::{AuthMethod, Kind, Trail};
use crate::authn::{Claim, bearer_token};
use crate::body::Body;
use crate::doors::{
    Door, DoorError, Words, answer, configuration, container, exchange, introspection, whoami,
};
use crate::error::{Error, with_causes};
use crate::generation::Generation;
use crate::listener::Connection;
use crate::secret::Secret;
use http::{Response, header, request::Parts};
use hyper::body::Incoming;

/// What a door is opened with.
#[derive(Clone, Copy)]
struct Visit<'a> {
    generation: &'a Generation,
    connection: &'a Connection,
    head: &'a Parts,
}

impl Pipeline {
    /// Answers a request at a door, whatever it is: a refusal is an answer in the door's words.
    pub(super) async fn knock(
        &self,
        generation: &Generation,
        connection: &Connection,
        head: Parts,
        body: Incoming,
        trail: &mut Trail,
    ) -> Result<Response<Body>, Error> {
        trail.kind(Kind::Auth);
        let found = Door::find(head.uri.path(), &head.method);
        let door = match &found {
            Ok(door) => Some(*door),
            Err(DoorError::Method { door, .. }) => *door,
            Err(_) => None,
        };
        if let Some(door) = door {
            trail.call("tidegate", door.operation(), door.is_read_only());
        }
        let visit = Visit {
            generation,
            connection,
            head: &head,
        };
        let outcome = match found {
            Ok(door) => self.open(door, visit, body, trail).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(document) => {
                self.metrics.sts_request(door.map_or("", Door::operation), "ok");
                Ok(answer::json(200, document))
            }
            Err(error) => {
                let words = door.map_or(Words::Container, Door::words);
                let (status, code) = (error.status(words), error.code(Words::Container));
                tracing::info!(request_id = %trail.request_id(), cause = with_causes(&error), "a door stays shut");
                trail.refused(status, code, error.reason(), &error);
                self.metrics.sts_request("refused", code);
                Ok(answer::refusal(door, &error))
            }
        }
    }

    async fn open(
        &self,
        door: Door,
        visit: Visit<'_>,
        body: Incoming,
        trail: &mut Trail,
    ) -> Result<String, DoorError> {
        let Visit {
            generation,
            connection,
            head,
        } = visit;
        generation
            .door_limit
            .admit(connection.peer.ip())
            .map_err(DoorError::Busy)?;
        // SIG-05: half of a signature beside whatever this door takes.
        if head.headers.contains_key("x-amz-security-token") {
            return Err(DoorError::TwoCredentials);
        }
        let form = Self::form(generation, head, body, LARGEST_FORM, trail).await;
        let form = form.map_err(DoorError::Body)?;
        // What gives a session is what counts once it is asked for.
        let generation = &*self.current.load_full();
        trail.generation(&generation.id);
        let visit = Visit { generation, ..visit };
        match door {
            Door::Credentials => self.container_credentials(visit, trail).await,
            Door::Token => self.exchange_token(visit, &form, trail).await,
            Door::Introspect => self.introspect(visit, &form, trail),
            Door::WhoAmI => self.who_am_i(visit, trail).await,
            Door::Configuration => {
                configuration::check(head)?;
                trail.public();
                Ok(configuration::document(&generation.config))
            }
        }
    }

    async fn container_credentials(&self, visit: Visit<'_>, trail: &mut Trail) -> Result<String, DoorError> {
        trail.auth(AuthMethod::ContainerCredentials);
        let container::Request { token, wish } = container::Request::parse(visit.head)?;
        let circumstances = super::circumstances(visit.connection, self.clock.now());
        let sts = &visit.generation.sts;
        let asking = visit.generation.asking(&circumstances);
        let grant = sts.trade(&token, &wish, asking).await?;
        let session = sts.keys(&grant)?;
        trail.principal(&session.principal);
        trail.authenticated();
        Ok(container::document(&session))
    }

    async fn exchange_token(
        &self,
        visit: Visit<'_>,
        form: &[u8],
        trail: &mut Trail,
    ) -> Result<String, DoorError> {
        trail.auth(AuthMethod::TokenExchange);
        let exchange::Request { token, wish } = exchange::Request::parse(visit.head, form)?;
        let circumstances = super::circumstances(visit.connection, self.clock.now());
        let sts = &visit.generation.sts;
        let asking = visit.generation.asking(&circumstances);
        let grant = sts.trade(&token, &wish, asking).await?;
        let issued = sts.access_token(&grant)?;
        let document = exchange::document(&issued, circumstances.now)?;
        trail.principal(&issued.principal);
        trail.authenticated();
        Ok(document)
    }

    fn introspect(&self, visit: Visit<'_>, form: &[u8], trail: &mut Trail) -> Result<String, DoorError> {
        let token = introspection::parse(visit.head, form)?;
        match visit.generation.introspect(&token, self.clock.now()) {
            Ok(principal) => {
                trail.auth(AuthMethod::Bearer);
                trail.principal(&principal);
                trail.authenticated();
                Ok(introspection::document(Some(&principal)))
            }
            Err(error) => {
                // The answer is a 200 all the same: that the token opens nothing is what was asked.
                trail.refused(200, "InactiveToken", crate::error::authn_reason(&error), &error);
                Ok(introspection::document(None))
            }
        }
    }

    async fn who_am_i(&self, visit: Visit<'_>, trail: &mut Trail) -> Result<String, DoorError> {
        whoami::check(visit.head)?;
        let token = bearer(visit.head)?;
        let claim = Claim::Bearer(token.clone());
        trail.claim(&claim, None);
        let now = self.clock.now();
        let principal = visit.generation.authenticate_bearer(&token, now).await;
        let principal = principal.map_err(DoorError::Bearer)?;
        trail.principal(&principal);
        trail.authenticated();
        let source_ip = visit.connection.peer.ip();
        let reach = visit.generation.policies.reach(&principal);
        Ok(whoami::document(&principal, source_ip, &reach))
    }
}

/// The token behind `Bearer`, without which nobody is asked about.
fn bearer(head: &Parts) -> Result<Secret, DoorError> {
    let value = head.headers.get(header::AUTHORIZATION);
    let text = value.ok_or(DoorError::NoCredential)?.to_str();
    let token = text.ok().and_then(bearer_token);
    match token.filter(|token| !token.is_empty()) {
        Some(token) => Ok(Secret::new(token)),
        None => Err(DoorError::Credential),
    }
}
