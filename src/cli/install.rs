use std::{fs, path::PathBuf};

use clap::Args;

use super::{Failure, database::Database, output};
use crate::{
    config::{masked, with_login},
    install::{self, Roles},
};

/// `pgbell install`
#[derive(Args, Debug)]
pub(super) struct Install {
    #[command(flatten)]
    database: Database,
    /// Print the SQL for a new installation instead of running it
    #[arg(long)]
    print: bool,
    /// Make the role that the daemon logs in as, too, and print its URL once if its password is new
    #[arg(long)]
    roles: bool,
    /// Name of the role that the daemon logs in as
    #[arg(
        long,
        value_name = "NAME",
        requires = "roles",
        default_value = "pgbell_login"
    )]
    daemon_role: String,
    /// Make a role without any right that room rules written in SQL run as
    #[arg(long, value_name = "NAME", requires = "roles")]
    rules_role: Option<String>,
    /// File with the password of the daemon's role; otherwise a new role gets one that is made up
    #[arg(long, value_name = "FILE", requires = "roles")]
    password_file: Option<PathBuf>,
}

impl Install {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let roles = self
            .roles
            .then(|| Roles::new(&self.daemon_role, self.rules_role.as_deref()));
        let roles = roles.transpose()?;
        let password = self.password_file.map(read_password).transpose()?;
        if self.print {
            let script = match &roles {
                None => install::install_script(),
                Some(roles) => install::install_script_with_roles(roles, password.as_deref()),
            };
            return Ok(output::text(&script)?);
        }
        let config = self.database.require()?;
        let url = config.database.url.reveal();
        let (installed, made_up) = match &roles {
            None => (install::install(url).await?, None),
            Some(roles) => install::install_with_roles(url, roles, password.as_deref()).await?,
        };
        eprintln!("installed in {}", masked(url));
        if let Some(roles) = &roles {
            tell_of_login(url, roles.daemon(), made_up, password.is_some())?;
        }
        if !installed.told_of_ddl {
            eprintln!(
                "note: without a superuser there is no event trigger that tells daemons of DDL; they look at the \
                 triggers every minute instead"
            );
        }
        Ok(())
    }
}

/// The URL of a new role goes to stdout alone, so that it can be taken from there.
fn tell_of_login(
    url: &str,
    daemon: &str,
    made_up: Option<String>,
    is_given: bool,
) -> Result<(), Failure> {
    match made_up {
        Some(password) => {
            eprintln!("role {daemon} is new; its URL is on stdout, and nobody can show it again");
            output::line(&with_login(url, daemon, &password))?;
        }
        None if is_given => eprintln!("role {daemon} has the password of the file"),
        None => eprintln!(
            "role {daemon} was there already and keeps its password, which nobody can show: \
             --password-file gives it another"
        ),
    }
    Ok(())
}

fn read_password(file: PathBuf) -> Result<String, Failure> {
    let name = format!("--password-file {}", file.display());
    let text = fs::read_to_string(file).map_err(|error| Failure::usage(&name, &error))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.contains(['\r', '\n', '\0']) {
        return Err(Failure::wrong(format!(
            "{name} must hold one line, the password"
        )));
    }
    Ok(password.to_owned())
}
