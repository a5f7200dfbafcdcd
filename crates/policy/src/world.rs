//! Questions in Cedar's terms.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};
use portcullis_core::{Item, Principal};
use portcullis_wire::{
    Method,
    method::{Direction, METHODS, Shape},
};

use crate::question::{AGGREGATE, Question, channel_name, place_name};

/// Why a question cannot be put to Cedar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WorldFault {
    /// No policy can speak of it.
    #[error("`{0}` is not an action that policies can permit")]
    NoAction(&'static str),
    #[error("`{action}` does not apply to a {kind}")]
    NotApplicable { action: &'static str, kind: &'static str },
    #[error("a {0} has to belong to a server")]
    NoServer(&'static str),
    #[error("the request cannot be expressed in Cedar: {0}")]
    Cedar(String),
}

impl WorldFault {
    fn cedar(error: impl ToString) -> Self {
        Self::Cedar(error.to_string())
    }
}

/// The types of the schema, parsed once.
struct Types {
    user: EntityTypeName,
    agent: EntityTypeName,
    kind: EntityTypeName,
    server: EntityTypeName,
    endpoint: EntityTypeName,
    tool: EntityTypeName,
    prompt: EntityTypeName,
    resource: EntityTypeName,
    task: EntityTypeName,
    list: EntityTypeName,
    channel: EntityTypeName,
    version: EntityTypeName,
}

impl Types {
    fn new() -> Result<Self, WorldFault> {
        let name = |text| EntityTypeName::from_str(text).map_err(WorldFault::cedar);
        Ok(Self {
            user: name("Mcp::User")?,
            agent: name("Mcp::Agent")?,
            kind: name("Mcp::PrincipalKind")?,
            server: name("Mcp::Server")?,
            endpoint: name("Mcp::Endpoint")?,
            tool: name("Mcp::Tool")?,
            prompt: name("Mcp::Prompt")?,
            resource: name("Mcp::Resource")?,
            task: name("Mcp::Task")?,
            list: name("Mcp::List")?,
            channel: name("Mcp::Channel")?,
            version: name("Mcp::Version")?,
        })
    }
}

/// An action and the groups it is in.
pub(crate) struct Action {
    entity: Entity,
    pub(crate) groups: Vec<EntityUid>,
    /// Types of resource it applies to.
    resources: Vec<EntityTypeName>,
    /// Whether its context has arguments.
    pub(crate) has_arguments: bool,
}

/// What Cedar needs to know about the deployment, made once.
pub(crate) struct World {
    types: Types,
    /// By position in [`METHODS`].
    actions: Vec<Option<Action>>,
}

/// One question in Cedar's terms: all that stays the same from call to call.
pub(crate) struct Case<'a> {
    pub(crate) action: &'a Action,
    pub(crate) principal: Subject,
    pub(crate) resource: Subject,
    actor: Option<Entity>,
    context: Vec<(String, RestrictedExpression)>,
}

/// A [`Case`] that can be put to Cedar again and again.
pub(crate) struct Scene {
    principal: EntityUid,
    action: EntityUid,
    resource: EntityUid,
    /// All entities that are part of the question.
    pub(crate) entities: Entities,
    context: Vec<(String, RestrictedExpression)>,
}

/// An entity and the group it is in.
pub(crate) struct Subject {
    entity: Entity,
    pub(crate) uid: EntityUid,
    pub(crate) group: Option<EntityUid>,
}

impl World {
    /// # Errors
    /// When the schema lacks something this build sends requests about.
    pub(crate) fn new(schema: &Schema) -> Result<Self, WorldFault> {
        let actions = schema.action_entities().map_err(WorldFault::cedar)?;
        let row = |row: &portcullis_wire::method::MethodInfo| match (row.shape, row.direction) {
            (Shape::Request, Direction::ToServer | Direction::Both) => {
                Action::new(row.method, row.name, schema, &actions).map(Some)
            }
            _ => Ok(None),
        };
        Ok(Self { types: Types::new()?, actions: METHODS.iter().map(row).collect::<Result<_, _>>()? })
    }

    /// Puts `question` into Cedar's terms.
    pub(crate) fn case(&self, question: &Question<'_>) -> Result<Case<'_>, WorldFault> {
        let name = question.method.as_str().unwrap_or("an unknown method");
        let action = self.actions.get(question.method as usize).and_then(Option::as_ref);
        let action = action.ok_or(WorldFault::NoAction(name))?;
        let resource = self.resource(question)?;
        if !action.resources.contains(resource.uid.type_name()) {
            return Err(WorldFault::NotApplicable { action: name, kind: question.item.kind() });
        }
        let caller = question.view.caller;
        let principal = self.subject(&self.types.user, &caller.principal, caller.tenant.as_deref())?;
        let actor =
            caller.actor.as_ref().map(|actor| self.subject(&self.types.agent, actor, None)).transpose()?;
        let context = self.context(question, actor.as_ref());
        Ok(Case { action, principal, resource, actor: actor.map(|actor| actor.entity), context })
    }

    /// A user or an agent.
    fn subject(
        &self,
        type_name: &EntityTypeName,
        principal: &Principal,
        tenant: Option<&str>,
    ) -> Result<Subject, WorldFault> {
        let kind = uid(&self.types.kind, principal.kind.as_str());
        let mut attributes = vec![
            ("kind", RestrictedExpression::new_entity_uid(kind.clone())),
            ("id", RestrictedExpression::new_string(principal.id.to_string())),
        ];
        attributes
            .extend(tenant.map(|tenant| ("tenant", RestrictedExpression::new_string(tenant.to_owned()))));
        Subject::new(uid(type_name, &principal.to_string()), attributes, Some(kind))
    }

    fn resource(&self, question: &Question<'_>) -> Result<Subject, WorldFault> {
        let (types, place) = (&self.types, place_name(question));
        let parent_type = if question.server.is_some() { &types.server } else { &types.endpoint };
        let parent = uid(parent_type, &place);
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let (type_name, label) = match question.item {
            Item::Server => return Subject::new(parent, vec![("name", text(&place))], None),
            Item::List(_) => {
                let id = format!("{place}/{}", question.item.name());
                return Subject::new(uid(&types.list, &id), vec![], Some(parent));
            }
            Item::Tool(_) => (&types.tool, "name"),
            Item::Prompt(_) => (&types.prompt, "name"),
            Item::Resource(_) => (&types.resource, "uri"),
            Item::Task(_) => (&types.task, "id"),
        };
        if question.server.is_none() {
            return Err(WorldFault::NoServer(question.item.kind()));
        }
        let name = question.item.name();
        let attributes = vec![("server", text(&place)), (label, text(name))];
        Subject::new(uid(type_name, &format!("{place}/{name}")), attributes, Some(parent))
    }

    fn context(
        &self,
        question: &Question<'_>,
        actor: Option<&Subject>,
    ) -> Vec<(String, RestrictedExpression)> {
        let entity = |type_name, id| RestrictedExpression::new_entity_uid(uid(type_name, id));
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let endpoint = question.view.endpoint.map_or(AGGREGATE, |endpoint| endpoint.as_str());
        let grant = question.view.caller.grant.as_deref();
        let scopes = grant.map_or(&[][..], |grant| &*grant.scopes).iter();
        let mut context = vec![
            ("channel".to_owned(), entity(&self.types.channel, channel_name(question.view.channel))),
            ("version".to_owned(), entity(&self.types.version, question.view.version.as_str())),
            ("endpoint".to_owned(), text(endpoint)),
            ("scopes".to_owned(), RestrictedExpression::new_set(scopes.map(|scope| text(scope)))),
        ];
        let proven = question.view.caller.method.is_proven();
        context.push(("proof_of_possession".to_owned(), RestrictedExpression::new_bool(proven)));
        context.extend(grant.map(|grant| ("issuer".to_owned(), text(&grant.issuer))));
        context.extend(
            grant.and_then(|grant| grant.client.as_deref()).map(|client| ("client".to_owned(), text(client))),
        );
        context.extend(
            actor.map(|actor| ("actor".to_owned(), RestrictedExpression::new_entity_uid(actor.uid.clone()))),
        );
        context
    }
}

impl Action {
    fn new(
        method: Method,
        name: &'static str,
        schema: &Schema,
        actions: &Entities,
    ) -> Result<Self, WorldFault> {
        let type_name = EntityTypeName::from_str("Mcp::Action").map_err(WorldFault::cedar)?;
        let uid = uid(&type_name, name);
        let groups: Vec<_> = actions.ancestors(&uid).ok_or(WorldFault::NoAction(name))?.cloned().collect();
        let resources =
            schema.resources_for_action(&uid).ok_or(WorldFault::NoAction(name))?.cloned().collect();
        let entity = Entity::new_no_attrs(uid, groups.iter().cloned().collect());
        let has_arguments = matches!(method, Method::ToolsCall | Method::PromptsGet);
        Ok(Self { entity, groups, resources, has_arguments })
    }

    pub(crate) fn uid(&self) -> EntityUid {
        self.entity.uid()
    }
}

impl Subject {
    fn new(
        uid: EntityUid,
        attributes: Vec<(&'static str, RestrictedExpression)>,
        group: Option<EntityUid>,
    ) -> Result<Self, WorldFault> {
        let attributes: HashMap<_, _> =
            attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let parents: HashSet<_> = group.iter().cloned().collect();
        let entity = Entity::new(uid.clone(), attributes, parents).map_err(WorldFault::cedar)?;
        Ok(Self { entity, uid, group })
    }
}

impl Case<'_> {
    pub(crate) fn scene(self) -> Result<Scene, WorldFault> {
        let entities = [self.action.entity.clone(), self.principal.entity, self.resource.entity];
        let entities = Entities::from_entities(entities.into_iter().chain(self.actor), None);
        Ok(Scene {
            principal: self.principal.uid,
            action: self.action.uid(),
            resource: self.resource.uid,
            entities: entities.map_err(WorldFault::cedar)?,
            context: self.context,
        })
    }
}

impl Scene {
    /// The request, with what changes from call to call added to its context.
    pub(crate) fn request(
        &self,
        changing: impl IntoIterator<Item = (&'static str, RestrictedExpression)>,
    ) -> Result<Request, WorldFault> {
        let changing = changing.into_iter().map(|(name, value)| (name.to_owned(), value));
        let context = Context::from_pairs(self.context.iter().cloned().chain(changing));
        let (principal, action, resource) =
            (self.principal.clone(), self.action.clone(), self.resource.clone());
        Request::new(principal, action, resource, context.map_err(WorldFault::cedar)?, None)
            .map_err(WorldFault::cedar)
    }
}

fn uid(type_name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(id))
}
