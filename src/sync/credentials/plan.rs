//! Where credentials come from: the order of the AWS CLI, without asking anybody.
//!
//! The order is botocore's (`create_credential_resolver`): the environment's keys; of the profile a role, a web identity (the
//! environment's holds over it), SSO, keys of the credentials file, a process, keys of the config file; then a container's
//! and an instance's. A profile that is named on the command line holds over what the environment has.

use super::super::environment::Environment;
use super::super::profile::{AwsProfile, ProfileFiles, ProfileSection, profile_name};
use super::super::service_urls::uses_fips;
use super::container::Container;
use super::issued::{CredentialError, Issued};
use super::metadata::Metadata;
use super::sso::Sso;
use super::sts::{AssumedRole, WebIdentity};

const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";

/// Where the first credentials come from, and the roles that are then assumed, in this order.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) base: Base,
    pub(super) roles: Vec<AssumedRole>,
}

/// Where credentials come from that are not made of others.
#[derive(Clone, Debug)]
pub(super) enum Base {
    Keys(Issued),
    WebIdentity(WebIdentity),
    Sso(Sso),
    Process {
        command: String,
        profile: String,
    },
    Container(Container),
    /// The last resort: with what was looked at before, which has none.
    Metadata {
        service: Metadata,
        looked_at: String,
    },
}

/// Makes a plan for the profile `given`, else for the environment.
pub(super) fn plan(given: Option<&str>, environment: &Environment) -> Result<Plan, CredentialError> {
    if given.is_none()
        && let Some(keys) = environment_keys(environment)?
    {
        return Ok(Plan { base: Base::Keys(keys), roles: Vec::new() });
    }
    let files = ProfileFiles::read(environment)
        .map_err(|why| CredentialError::new(why, "make it readable for the user that this process runs as"))?;
    let (name, is_named) = profile_name(given, environment);
    let profile = match files.profile(&name) {
        Some(profile) => profile,
        None if is_named => return Err(no_profile(&name, &files)),
        None => AwsProfile::default(),
    };
    let planner = Planner { environment, files: &files, fips: uses_fips(given, environment) };
    if let Some(Plan { base, mut roles }) = planner.roles(&name, &profile)? {
        roles.reverse();
        return Ok(Plan { base, roles });
    }
    let found = planner.of_profile(&name, &profile, given.is_none())?;
    let base = found.map_or_else(|| planner.of_machine(&name, &profile, given.is_none()), Ok)?;
    Ok(Plan { base, roles: Vec::new() })
}

struct Planner<'a> {
    environment: &'a Environment,
    files: &'a ProfileFiles,
    /// As the profile says whose credentials are wanted, whatever others it leads to.
    fips: bool,
}

impl Planner<'_> {
    /// Follows a profile with a role to what assumes it; roles come in the order of the profiles, the first one assumed last.
    /// `None` where the profile has no role.
    fn roles(&self, first: &str, profile: &AwsProfile) -> Result<Option<Plan>, CredentialError> {
        let (mut name, mut profile) = (first.to_owned(), profile.clone());
        let (mut roles, mut visited) = (Vec::new(), Vec::new());
        // a profile that is the source of another, or of itself, gives its own keys if it has some
        while is_role(&profile) && (roles.is_empty() || keys_of(&profile).is_none()) {
            if visited.contains(&name) {
                let what = format!("profile '{name}' is the source_profile of itself, by {}", visited.join(", "));
                return Err(CredentialError::new(what, "one of them needs credentials of its own"));
            }
            let wrong = |what: &str, hint: &str| CredentialError::new(format!("profile '{name}' {what}"), hint);
            roles.push(role_of(&name, &profile)?);
            let source = match (profile.value("source_profile"), profile.value("credential_source")) {
                (Some(source), None) => source.to_owned(),
                (None, Some(source)) => {
                    let base = self.named_source(&name, source)?;
                    return Ok(Some(Plan { base, roles }));
                }
                (Some(_), Some(_)) => {
                    return Err(wrong("has both source_profile and credential_source", "remove one of them"));
                }
                (None, None) => {
                    let hint = "say who assumes the role: source_profile = NAME, or credential_source = Environment, \
                                EcsContainer or Ec2InstanceMetadata";
                    return Err(wrong("has a role_arn and neither source_profile nor credential_source", hint));
                }
            };
            let next = self.files.profile(&source).ok_or_else(|| {
                let what = format!("has the source_profile '{source}', which is not in {}", self.files.places);
                wrong(&what, "correct the name")
            })?;
            visited.push(std::mem::replace(&mut name, source));
            profile = next;
        }
        if roles.is_empty() {
            return Ok(None);
        }
        let base = self.of_profile(&name, &profile, false)?.ok_or_else(|| {
            let what = format!("profile '{name}', a source_profile, has no credentials");
            CredentialError::new(what, "give it keys, SSO, a credential_process or a role")
        })?;
        Ok(Some(Plan { base, roles }))
    }

    /// What a `credential_source` names.
    fn named_source(&self, profile: &str, source: &str) -> Result<Base, CredentialError> {
        let none = |what: &str| {
            let what = format!("profile '{profile}' has credential_source = {source}, and {what}");
            CredentialError::new(what, "name another source")
        };
        match source {
            "Environment" => environment_keys(self.environment)?
                .map(Base::Keys)
                .ok_or_else(|| none(&format!("{ID} and {SECRET} are not set"))),
            "EcsContainer" => Container::of(self.environment)?
                .map(Base::Container)
                .ok_or_else(|| none("there are no container credentials here")),
            "Ec2InstanceMetadata" => {
                let service = Metadata::of(self.environment, &AwsProfile::default())?;
                let service = service.ok_or_else(|| none("AWS_EC2_METADATA_DISABLED is true"))?;
                Ok(Base::Metadata { service, looked_at: String::new() })
            }
            _ => Err(none("there are Environment, EcsContainer and Ec2InstanceMetadata")),
        }
    }

    /// What the profile itself has; with `variables` the environment's web identity holds over it.
    fn of_profile(&self, name: &str, profile: &AwsProfile, variables: bool) -> Result<Option<Base>, CredentialError> {
        if let Some(identity) = self.web_identity(name, profile, variables)? {
            return Ok(Some(Base::WebIdentity(identity)));
        }
        if let Some(sso) = self.sso(name, profile)? {
            return Ok(Some(Base::Sso(sso)));
        }
        if let Some(keys) = keys_in(&profile.shared, name)? {
            return Ok(Some(Base::Keys(keys)));
        }
        if profile.value("login_session").is_some() {
            let hint = format!(
                "credential_process = aws configure export-credentials --profile {name} --format process, in \
                                a profile of its own, has the AWS CLI do it"
            );
            return Err(CredentialError::new(
                format!("profile '{name}' is one of `aws login`, which is not known here"),
                hint,
            ));
        }
        if let Some(command) = profile.value("credential_process") {
            return Ok(Some(Base::Process { command: command.to_owned(), profile: name.to_owned() }));
        }
        Ok(keys_in(&profile.config, name)?.map(Base::Keys))
    }

    fn web_identity(
        &self,
        name: &str,
        profile: &AwsProfile,
        variables: bool,
    ) -> Result<Option<WebIdentity>, CredentialError> {
        let either = |variable: &str, key: &str| {
            let said = self.environment.variable(variable).filter(|_| variables);
            said.or_else(|| profile.value(key)).map(str::to_owned)
        };
        let Some(token_file) = either("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file") else {
            return Ok(None);
        };
        let arn = either("AWS_ROLE_ARN", "role_arn").ok_or_else(|| {
            let what =
                format!("web identity: {token_file} is named, and no role, neither here nor in profile '{name}'");
            CredentialError::new(what, "set AWS_ROLE_ARN, or role_arn in the profile")
        })?;
        let session_name = either("AWS_ROLE_SESSION_NAME", "role_session_name");
        let role = AssumedRole { arn, session_name, ..AssumedRole::default() };
        Ok(Some(WebIdentity { role, token_file: token_file.into() }))
    }

    fn sso(&self, name: &str, profile: &AwsProfile) -> Result<Option<Sso>, CredentialError> {
        if profile.value("sso_account_id").is_none() && profile.value("sso_role_name").is_none() {
            return Ok(None);
        }
        let wrong = |what: String| {
            CredentialError::new(
                format!("profile '{name}' {what}"),
                format!("run `aws configure sso --profile {name}`"),
            )
        };
        let session_name = profile.value("sso_session");
        let session = match session_name {
            Some(session) => self.files.sso_session(session).ok_or_else(|| {
                wrong(format!("names the sso_session '{session}', and no section [sso-session {session}] is there"))
            })?,
            None => ProfileSection::new(),
        };
        let value = |key: &str| {
            let value = profile.value(key).or_else(|| session.get(key).map(String::as_str));
            value.map(str::to_owned).ok_or_else(|| wrong(format!("has SSO without {key}")))
        };
        let (start_url, region) = (value("sso_start_url")?, value("sso_region")?);
        Ok(Some(Sso {
            profile: name.to_owned(),
            account: value("sso_account_id")?,
            role: value("sso_role_name")?,
            region: region.parse().map_err(|_| wrong(format!("has the sso_region '{region}', which is none")))?,
            is_session: session_name.is_some(),
            fips: self.fips,
            cache_key: session_name.map_or(start_url, str::to_owned),
        }))
    }

    /// What the container has, else the instance.
    fn of_machine(&self, name: &str, profile: &AwsProfile, variables: bool) -> Result<Base, CredentialError> {
        if let Some(container) = Container::of(self.environment)? {
            return Ok(Base::Container(container));
        }
        let keys = if variables { format!("{ID} and {SECRET} are not set, ") } else { String::new() };
        let looked_at = format!("{keys}profile '{name}' has none in {}", self.files.places);
        let service = Metadata::of(self.environment, profile)?.ok_or_else(|| {
            let what = format!("no credentials: {looked_at}, and AWS_EC2_METADATA_DISABLED is true");
            CredentialError::new(what, "an emulator takes any keys, such as test and test")
        })?;
        Ok(Base::Metadata { service, looked_at })
    }
}

fn no_profile(name: &str, files: &ProfileFiles) -> CredentialError {
    CredentialError::new(
        format!("profile '{name}' is not in {}", files.places),
        "`aws configure list-profiles` prints what is",
    )
}

fn is_role(profile: &AwsProfile) -> bool {
    profile.value("role_arn").is_some() && profile.value("web_identity_token_file").is_none()
}

fn role_of(name: &str, profile: &AwsProfile) -> Result<AssumedRole, CredentialError> {
    if profile.value("mfa_serial").is_some() {
        let hint = format!(
            "credential_process = aws configure export-credentials --profile {name} --format process, in a \
                            profile of its own, has the AWS CLI ask"
        );
        return Err(CredentialError::new(
            format!("profile '{name}' wants a code of an MFA device, which nobody is asked for here"),
            hint,
        ));
    }
    let value = |key: &str| profile.value(key).map(str::to_owned);
    Ok(AssumedRole {
        arn: value("role_arn").unwrap_or_default(),
        external_id: value("external_id"),
        session_name: value("role_session_name"),
        duration_seconds: value("duration_seconds"),
    })
}

/// The environment's keys; one of them without the other is an error.
fn environment_keys(environment: &Environment) -> Result<Option<Issued>, CredentialError> {
    let one_only =
        |has: &str, lacks: &str| CredentialError::new(format!("{has} is set, and {lacks} is not"), "set both, or none");
    match (environment.variable(ID), environment.variable(SECRET)) {
        (Some(id), Some(secret)) => Ok(Some(Issued::keys(id, secret, environment.variable("AWS_SESSION_TOKEN")))),
        (Some(_), None) => Err(one_only(ID, SECRET)),
        // as botocore, which looks for the id only
        (None, _) => Ok(None),
    }
}

fn keys_of(profile: &AwsProfile) -> Option<(&str, &str)> {
    profile.value("aws_access_key_id").zip(profile.value("aws_secret_access_key"))
}

/// The keys in one file's section; one of them without the other is an error.
fn keys_in(section: &ProfileSection, name: &str) -> Result<Option<Issued>, CredentialError> {
    let value = |key: &str| section.get(key).map(String::as_str).filter(|value| !value.is_empty());
    match (value("aws_access_key_id"), value("aws_secret_access_key")) {
        (Some(id), Some(secret)) => Ok(Some(Issued::keys(id, secret, value("aws_session_token")))),
        (Some(_), None) => {
            let what = format!("profile '{name}' has an aws_access_key_id and no aws_secret_access_key beside it");
            Err(CredentialError::new(what, "write both into one file"))
        }
        (None, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests;
