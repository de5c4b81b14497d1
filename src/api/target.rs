//! What an access token is asked for, and what is granted of it.
//!
//! Scope is RFC 6749 section 3.3, `resource` RFC 8707 section 2, `.default` the form that Entra's
//! clients use: every role that an administrator assigned.

use super::{Api, ApiUri, Assignment, RoleName};
use crate::dialect::is_uuid;
use crate::error::Reason;

/// The scope name that stands for "every assigned role".
const DEFAULT: &str = ".default";

/// Scopes of OpenID Connect. Clients of Entra send them with everything, and there is nothing here for them.
const OPENID: [&str; 5] = ["openid", "profile", "email", "address", "offline_access"];

/// Most APIs that one authorization may be for.
const MAX_APIS: usize = 10;

/// The `scope` parameter: a set of well-formed scope tokens, in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Scope<'a>(Vec<&'a str>);

impl<'a> Scope<'a> {
    /// Parses the parameter. Repeated spaces are tolerated; repeated tokens are one in
    /// [`Target`], which keeps them in order.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Reason> {
        let mut tokens: Vec<&str> = Vec::new();
        for token in text.split(' ').filter(|token| !token.is_empty()) {
            // scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
            if !token
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
            {
                return Err(Reason::ScopeCharacters);
            }
            tokens.push(token);
        }
        Ok(Self(tokens))
    }
}

impl<'a> Scope<'a> {
    /// The API and the names on it, as Entra and B2C have them: the API by its identifier or by its client id,
    /// and no other name than `.default` where `only_default` says so. `None` if nothing is asked for.
    pub(crate) fn of_one_api(&self, only_default: bool) -> Result<Option<OneApi<'a>>, Reason> {
        let mut api = None;
        let mut everything = false;
        let mut roles = Vec::new();
        for token in self.0.iter().filter(|token| !OPENID.contains(token)) {
            let (of, name) = match token.rsplit_once('/') {
                Some((of, DEFAULT)) => (of, DEFAULT),
                _ if only_default => return Err(Reason::NotDefault),
                // B2C: "using the client ID as the scope".
                None if is_uuid(&token.to_ascii_lowercase()) => (*token, DEFAULT),
                other => other.ok_or(Reason::ScopeUnknown)?,
            };
            if api.is_some_and(|known| known != of) {
                return Err(Reason::SeveralApis);
            }
            api = Some(of);
            if name == DEFAULT {
                everything = true;
            } else {
                insert(&mut roles, RoleName::new(name).ok_or(Reason::ScopeUnknown)?);
            }
        }
        // Who asks for everything and for something asks for everything.
        Ok(api.map(|api| (api, (!everything).then_some(roles))))
    }

    /// The token, if there is one only.
    pub(crate) fn only(&self) -> Option<&'a str> {
        match self.0.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// An API as it is named, and the names on it; `None` is all of them.
pub(crate) type OneApi<'a> = (&'a str, Option<Vec<RoleName>>);

/// Which API a token is asked for, and how much of what the client holds there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The API; `None` if the request named none and the client's only one is meant.
    pub(crate) api: Option<ApiUri>,
    /// The roles asked for, in ascending order; `None` is every one that is assigned.
    pub(crate) roles: Option<Vec<RoleName>>,
}

impl Target {
    /// Reads the target from `scope` and `resource`. Both are syntactically well-formed already.
    pub(crate) fn of(scope: &Scope<'_>, resource: Option<&ApiUri>) -> Result<Self, Reason> {
        let mut target = Self {
            api: resource.cloned(),
            roles: None,
        };
        let mut everything = false;
        let mut roles = Vec::new();
        for token in &scope.0 {
            let (api, name) = split(token, resource).ok_or(Reason::ScopeUnknown)?;
            match &target.api {
                None => target.api = Some(api),
                Some(known) if *known == api => {}
                Some(_) if resource.is_some() => return Err(Reason::ScopeOutsideResource),
                Some(_) => return Err(Reason::SeveralApis),
            }
            if name == DEFAULT {
                everything = true;
            } else {
                insert(&mut roles, RoleName::new(name).ok_or(Reason::ScopeUnknown)?);
            }
        }
        match (everything, roles.is_empty()) {
            (true, false) => Err(Reason::DefaultNotAlone),
            (false, false) => Ok(Self {
                roles: Some(roles),
                ..target
            }),
            (_, true) => Ok(target),
        }
    }

    /// Reads what an authorization request asks for: a target an API, in the order in which they are
    /// named first. Bare names are of the only `resource`.
    /// What OpenID Connect asks for is let pass in the dialects.
    pub(crate) fn all_of(
        scope: &Scope<'_>,
        resources: &[ApiUri],
        in_dialect: bool,
    ) -> Result<Vec<Self>, Reason> {
        let only = match resources {
            [only] => Some(only),
            _ => None,
        };
        let mut targets: Vec<Self> = Vec::new();
        for token in &scope.0 {
            if in_dialect && OPENID.contains(token) {
                continue;
            }
            let (api, name) = split(token, only).ok_or(Reason::ScopeUnknown)?;
            if !resources.is_empty() && !resources.contains(&api) {
                return Err(Reason::ScopeOutsideResource);
            }
            // A stranger may ask: what is asked for stays small.
            let targets_full = targets.len() >= MAX_APIS;
            let mut known = targets.iter_mut();
            let known = known.find(|target| target.api.as_ref() == Some(&api));
            if known.is_none() && targets_full {
                return Err(Reason::SeveralApis);
            }
            let everything = name == DEFAULT;
            match known {
                Some(target) => match &mut target.roles {
                    None if everything => {}
                    Some(roles) if !everything => {
                        insert(roles, RoleName::new(name).ok_or(Reason::ScopeUnknown)?);
                    }
                    _ => return Err(Reason::DefaultNotAlone),
                },
                None if everything => targets.push(Self {
                    api: Some(api),
                    roles: None,
                }),
                None => targets.push(Self {
                    api: Some(api),
                    roles: Some(vec![RoleName::new(name).ok_or(Reason::ScopeUnknown)?]),
                }),
            }
        }
        if resources.len() > MAX_APIS {
            return Err(Reason::SeveralResources);
        }
        for resource in resources {
            if !targets
                .iter()
                .any(|target| target.api.as_ref() == Some(resource))
            {
                targets.push(Self {
                    api: Some(resource.clone()),
                    roles: None,
                });
            }
        }
        if targets.is_empty() {
            return Err(Reason::NothingAsked);
        }
        Ok(targets)
    }

    /// The scopes of the API that a user is to be asked for, each of which it must declare.
    pub(crate) fn scopes(&self, api: &Api) -> Result<Vec<RoleName>, Reason> {
        let declared = |scope: &RoleName| api.scope(scope).is_some();
        match &self.roles {
            Some(asked) if asked.iter().all(declared) => Ok(asked.clone()),
            None if !api.scopes.is_empty() => {
                Ok(api.scopes.iter().map(|scope| scope.value.clone()).collect())
            }
            _ => Err(Reason::ScopeUnknown),
        }
    }

    /// What is granted: the roles asked for, each of which must be assigned and still be declared by
    /// the API. A request is never narrowed silently.
    pub(crate) fn grant(
        &self,
        api: &Api,
        assignment: Option<&Assignment>,
    ) -> Result<Granted, Reason> {
        let assigned = assignment.map_or(&[][..], |assignment| &assignment.roles);
        let holds = |role: &RoleName| assigned.binary_search(role).is_ok();
        let stands = |role: &&RoleName| assignment.is_some_and(|known| known.grants(role, api));
        let roles: Vec<RoleName> = match &self.roles {
            None => assigned.iter().filter(stands).cloned().collect(),
            Some(asked) if asked.iter().all(|role| holds(role) && stands(&role)) => asked.clone(),
            Some(_) => return Err(Reason::RoleNotAssigned),
        };
        if roles.is_empty() && api.assignment_required {
            return Err(Reason::AssignmentRequired);
        }
        Ok(Granted { roles })
    }
}

/// Puts a role into an ascending list, once.
pub(crate) fn insert(roles: &mut Vec<RoleName>, role: RoleName) {
    if let Err(at) = roles.binary_search(&role) {
        roles.insert(at, role);
    }
}

/// The API and the name within it of a scope token: `api://orders/Orders.Read.All`. The name follows
/// the last slash, so that an identifier that itself ends in a slash takes a double one. Beside a
/// `resource`, a bare name is one of that API's.
pub(crate) fn split<'a>(token: &'a str, resource: Option<&ApiUri>) -> Option<(ApiUri, &'a str)> {
    match (token.rsplit_once('/'), resource) {
        (Some((api, name)), _) => Some((ApiUri::new(api)?, name)),
        (None, Some(resource)) => Some((resource.clone(), token)),
        (None, None) => None,
    }
}

/// The API that a request without any target means: the only one that the application has roles on.
pub(crate) fn only_api(assignments: &[Assignment]) -> Result<&ApiUri, Reason> {
    match assignments {
        [only] => Ok(&only.api),
        _ => Err(Reason::NothingAsked),
    }
}

/// The roles that a token carries on one API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Granted {
    /// In ascending order.
    pub(crate) roles: Vec<RoleName>,
}

impl Granted {
    /// The granted scope: each role in full, or `.default` where a token carries none.
    pub(crate) fn scope(&self, api: &ApiUri) -> String {
        let api = api.as_str();
        if self.roles.is_empty() {
            return format!("{api}/{DEFAULT}");
        }
        let bytes = |role: &RoleName| api.len() + role.as_str().len() + 2;
        let mut scope = String::with_capacity(self.roles.iter().map(bytes).sum());
        for role in &self.roles {
            if !scope.is_empty() {
                scope.push(' ');
            }
            scope.push_str(api);
            scope.push('/');
            scope.push_str(role.as_str());
        }
        scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(scope: &str, resource: Option<&str>) -> Result<Target, Reason> {
        let resource = resource.map(|uri| ApiUri::new(uri).unwrap());
        Target::of(&Scope::parse(scope)?, resource.as_ref())
    }

    fn api(uri: &str) -> Option<ApiUri> {
        ApiUri::new(uri)
    }

    fn roles(names: &[&str]) -> Option<Vec<RoleName>> {
        Some(
            names
                .iter()
                .map(|name| RoleName::new(*name).unwrap())
                .collect(),
        )
    }

    #[test]
    fn default_asks_for_everything_on_the_api_it_names() {
        let everything = Target {
            api: api("api://orders"),
            roles: None,
        };
        assert_eq!(
            target("api://orders/.default", None),
            Ok(everything.clone())
        );
        assert_eq!(target("", Some("api://orders")), Ok(everything.clone()));
        assert_eq!(target(".default", Some("api://orders")), Ok(everything));
        let slash = Target {
            api: api("https://api.example.com/"),
            roles: None,
        };
        assert_eq!(target("https://api.example.com//.default", None), Ok(slash));
    }

    #[test]
    fn roles_are_a_set_in_any_order() {
        let both = Target {
            api: api("api://o"),
            roles: roles(&["A", "B"]),
        };
        assert_eq!(
            target("api://o/B  api://o/A api://o/B", None),
            Ok(both.clone())
        );
        assert_eq!(target("B A", Some("api://o")), Ok(both));
    }

    #[test]
    fn what_names_no_single_api_is_refused() {
        assert_eq!(
            target("api://a/R api://b/R", None),
            Err(Reason::SeveralApis)
        );
        assert_eq!(
            target("api://a/R", Some("api://b")),
            Err(Reason::ScopeOutsideResource)
        );
        assert_eq!(target("Orders.Read.All", None), Err(Reason::ScopeUnknown));
        assert_eq!(
            target("api://a/.default api://a/R", None),
            Err(Reason::DefaultNotAlone)
        );
        assert_eq!(target("api://a/\"", None), Err(Reason::ScopeCharacters));
        assert_eq!(
            target("api://a/R\tapi://a/S", None),
            Err(Reason::ScopeCharacters)
        );
    }
}
