//! What lies in a node's folder beside its journal: who it is, its charter, vocabularies, limits and
//! tables. Reads and writes them; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use datacoop_policy::charter::{Charter, Member, Role};
use datacoop_policy::inbox::InboxRules;
use datacoop_policy::ledger::{Account, Ledger};
use datacoop_policy::limits::Limits;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{AcademicYear, Day, Digest, MemberId, PrivacyLoss};
use datacoop_protocol::charter_text::{parse_inbox, parse_limits};
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::tree::sha256;
use serde::{Deserialize, Serialize};

use crate::chain::Versions;
use crate::engine::local::LocalTable;
use crate::engine::{Sources, newest_table, people_vocabulary};
use crate::folder::{StoreError, at, list, read_optional, write_durably};
use crate::{keyfile, load, objections};

/// Vocabularies compiled in: their texts.
pub const SHIPPED_VOCABULARIES: [&str; 8] = [
    include_str!("vocab/attendance.toml"),
    include_str!("vocab/pupils.toml"),
    include_str!("vocab/attainment.toml"),
    include_str!("vocab/behaviour.toml"),
    include_str!("vocab/vcse_activities.toml"),
    include_str!("vocab/vcse_beneficiaries.toml"),
    include_str!("vocab/vcse_participation.toml"),
    include_str!("vocab/vcse_outcomes.toml"),
];

/// A vocabulary's text, and what it says.
pub type Text = (String, Arc<Vocabulary>);

/// The vocabularies compiled in, in the order of their texts, each with the SHA-256 of its text. Read once: pages ask
/// for them at every turn.
pub fn shipped() -> &'static [(Digest, Text)] {
    static READ: LazyLock<Vec<(Digest, Text)>> = LazyLock::new(|| {
        let read = SHIPPED_VOCABULARIES.into_iter().map(|text| {
            let vocabulary = Vocabulary::from_toml(text).expect("INVARIANT: a test reads each shipped text");
            (sha256(&[text.as_bytes()]), (text.to_owned(), Arc::new(vocabulary)))
        });
        read.collect()
    });
    &READ
}

/// Identities of one member: one a year would last a working life.
const IDENTITIES_MAX: u32 = 64;

/// `config.toml`: who this node is. No secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The member's register number.
    pub id: MemberIdText,
    /// Its name.
    pub name: String,
    /// The organisation that controls it in law.
    pub body: String,
    /// The host its key names begin with.
    pub host: String,
    /// Public figures: how many people it has records of.
    pub people_min: u64,
    /// The roll bound.
    pub people_max: u64,
    /// Where the node listens, as multiaddresses.
    #[serde(default)]
    pub listen: Vec<String>,
    /// Where others reach it, if it is to be a meeting point.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Milliseconds; contributions leave on this grid.
    #[serde(default = "default_grid")]
    pub answer_grid: u64,
}

/// A member id as a setting.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberIdText(pub MemberId);

impl TryFrom<String> for MemberIdText {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl From<MemberIdText> for String {
    fn from(id: MemberIdText) -> String {
        id.0.to_string()
    }
}

/// 250 ms: longer than any Tally of a school takes (ROUND section 5).
fn default_grid() -> u64 {
    250
}

/// A node's folder, for reading and for setting up.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
    /// The charter's versions as they were read last: each reading checks every signature.
    pub(crate) opened: Arc<Mutex<Versions>>,
    /// What was counted in its tables: the page of them starts no engine for those that it knows.
    pub(crate) totals: Arc<Mutex<load::Known>>,
}

fn wrong<T>(text: impl Into<String>) -> Result<T, StoreError> {
    Err(StoreError::Wrong(text.into()))
}

impl Home {
    /// At this path, which may not exist yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), opened: Arc::default(), totals: Arc::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether a node was set up here.
    pub fn exists(&self) -> bool {
        self.join("config.toml").exists()
    }

    /// Sets up a node: identity and configuration. An identity that lies there already stays: an earlier set-up
    /// was cut off after it, or the configuration was lost, and another identity would be another member.
    ///
    /// Errors: there is a node already, or what lies there is no identity.
    pub fn create(&self, config: &Config, identity: &[u8; 32]) -> Result<(), StoreError> {
        if self.exists() {
            return wrong(format!("{} holds a node already", self.path.display()));
        }
        let file = self.join("keys/identity");
        match file.exists() {
            true => drop(keyfile::read(&file)?),
            false => keyfile::create(&file, identity)?,
        }
        let text = toml::to_string(config).map_err(|error| StoreError::Wrong(error.to_string()))?;
        write_durably(&self.join("config.toml"), text.as_bytes())
    }

    /// Who this node is.
    pub fn config(&self) -> Result<Config, StoreError> {
        let path = self.join("config.toml");
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        toml::from_str(&text).map_err(|error| StoreError::Wrong(format!("{}: {error}", path.display())))
    }

    /// Its first keys.
    pub fn keys(&self, config: &Config) -> Result<Keys, StoreError> {
        let seed = keyfile::read(&self.join("keys/identity"))?;
        Ok(Keys::from_seed(*seed, &config.host, 1))
    }

    /// All its keys, the first first: `keys/identity`, and those that replace them, `keys/identity-2` and so on. The
    /// first may have been lost with an older folder, if there are later ones.
    pub fn all_keys(&self, config: &Config) -> Result<Vec<Keys>, StoreError> {
        let mut found = vec![];
        for n in 1..=IDENTITIES_MAX {
            let path = self.identity_path(n);
            if path.exists() {
                found.push(Keys::from_seed(*keyfile::read(&path)?, &config.host, n));
            }
        }
        if found.is_empty() {
            found.push(self.keys(config)?);
        }
        Ok(found)
    }

    /// Where the identity of this number lies.
    fn identity_path(&self, n: u32) -> PathBuf {
        let name = if n == 1 { "keys/identity".to_owned() } else { format!("keys/identity-{n}") };
        self.join(&name)
    }

    /// What the next log of this member carries over at least, beside what its own shows: of a log with two histories
    /// what the other one had spent, as `charter rotate --history` wrote it down. Nothing where that file is not.
    pub fn carried(&self) -> Result<Ledger, StoreError> {
        let path = self.join("carried.toml");
        let Some(bytes) = read_optional(&path)? else { return Ok(Ledger::default()) };
        let wrong = |what: &str| StoreError::Wrong(format!("{}: {what}", path.display()));
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is not text"))?;
        let spent: BTreeMap<String, u64> =
            toml::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
        let mut ledger = Ledger::default();
        for (name, nano) in spent {
            let account = name.rsplit_once('/').and_then(|(dataset, year)| {
                Some(Account { dataset: dataset.to_owned(), year: AcademicYear(year.parse().ok()?) })
            });
            let account =
                account.ok_or_else(|| wrong(&format!("`{name}` is no account such as pupils/2025")))?;
            ledger.carry(&account, PrivacyLoss::from_nano(nano));
        }
        Ok(ledger)
    }

    /// Writes down what the next log carries over at least, durably.
    pub fn write_carried(&self, ledger: &Ledger) -> Result<(), StoreError> {
        let lines = ledger.accounts().map(|(account, spent)| {
            format!("\"{}/{}\" = {}\n", account.dataset, account.year.0, spent.nano())
        });
        let head = "# What the next log of this member carries over at least, in billionths of rho.\n";
        write_durably(&self.join("carried.toml"), (head.to_owned() + &lines.collect::<String>()).as_bytes())
    }

    /// Makes an identity that is to replace the newest that the charter lists, beside it, durably; one that was made
    /// for that before stays. Returns its keys.
    ///
    /// Errors: this member is in no charter yet, or the disk's.
    pub fn make_next_identity(&self, config: &Config, identity: &[u8; 32]) -> Result<Keys, StoreError> {
        let charters = self.charters()?;
        let listed = charters.iter().rev().find_map(|(_, charter)| charter.member(&config.id.0));
        let Some(listed) = listed else {
            return wrong(
                "no charter lists this member, so it can still change its card: set up a new folder",
            );
        };
        let number = listed.keys.log.name.rsplit_once('/').and_then(|(_, n)| n.parse::<u32>().ok());
        let next = number.and_then(|n| n.checked_add(1)).filter(|next| *next <= IDENTITIES_MAX);
        let Some(next) = next else {
            return wrong(format!("{}: no number follows", listed.keys.log.name));
        };
        let path = self.identity_path(next);
        if !path.exists() {
            keyfile::create(&path, identity)?;
        }
        Ok(Keys::from_seed(*keyfile::read(&path)?, &config.host, next))
    }

    /// Its place in a charter, as its card says it.
    pub fn card_member(&self, config: &Config, keys: &Keys) -> Member {
        Member {
            id: config.id.0.clone(),
            name: config.name.clone(),
            body: config.body.clone(),
            roles: BTreeSet::from([Role::Voting, Role::Coordinator]),
            keys: keys.public().clone(),
            addresses: config.addresses.clone(),
            witnesses: vec![],
            people_min: config.people_min,
            people_max: config.people_max,
            sponsors: vec![],
            goes_on_from: None,
            notice: None,
            dormant: false,
        }
    }

    /// Vocabularies this node knows, by SHA-256 of their text: those shipped and those added.
    pub fn vocabularies(&self) -> Result<BTreeMap<Digest, Text>, StoreError> {
        let mut known: BTreeMap<Digest, Text> = shipped().iter().cloned().collect();
        let folder = self.join("vocabulary");
        if folder.exists() {
            for name in list(&folder)? {
                let path = folder.join(name);
                let text = fs::read_to_string(&path).map_err(at(&path))?;
                let vocabulary = Vocabulary::from_toml(&text).map_err(StoreError::Wrong)?;
                known.insert(sha256(&[text.as_bytes()]), (text, Arc::new(vocabulary)));
            }
        }
        Ok(known)
    }

    /// Adds a vocabulary's text. The folder must be locked by us or by a node that asks for it.
    ///
    /// Errors: it is none; or its name stands for another text, here or in the charter: rows would be
    /// read by one text and asked about by another.
    pub fn add_vocabulary(&self, text: &str) -> Result<(Digest, Vocabulary), StoreError> {
        let vocabulary = Vocabulary::from_toml(text).map_err(StoreError::Wrong)?;
        let hash = sha256(&[text.as_bytes()]);
        let name = vocabulary.name();
        let known = self.vocabularies()?;
        if known.iter().any(|(other, (_, known))| *other != hash && known.name() == name) {
            return wrong(format!(
                "this node knows another text of `{name}`; raise its `version`, or use the text that is known"
            ));
        }
        if let Some((_, charter)) = self.charter()?
            && charter.vocabulary(name).is_some_and(|(other, _)| other != hash)
        {
            return wrong(format!(
                "the charter names another text of `{name}`; use the charter's, or raise `version`"
            ));
        }
        if known.contains_key(&hash) {
            return Ok((hash, vocabulary));
        }
        write_durably(&self.join(&format!("vocabulary/{hash}.toml")), text.as_bytes())?;
        Ok((hash, vocabulary))
    }

    /// This member's own limits; `None`, with the reason, answers nothing.
    pub fn limits(&self) -> Result<Limits, String> {
        let path = self.join("limits.toml");
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}; write which purposes you answer", path.display()))?;
        parse_limits(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// This member's standing rules; where there is no file it accepts within its limits. With the reason of a
    /// file that does not read nothing is answered.
    pub fn inbox(&self) -> Result<InboxRules, String> {
        let path = self.join("inbox.toml");
        match fs::read_to_string(&path) {
            Ok(text) => parse_inbox(&text).map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(InboxRules::default()),
            Err(error) => Err(format!("{}: {error}; mend the file or remove it", path.display())),
        }
    }

    /// Writes limits that answer these purposes, if there are none yet.
    pub fn write_limits_once(&self, purposes: &[&str]) -> Result<(), StoreError> {
        match self.join("limits.toml").exists() {
            true => Ok(()),
            false => self.write_limits(purposes),
        }
    }

    /// Writes limits that answer these purposes, in the place of those that are there.
    pub fn write_limits(&self, purposes: &[&str]) -> Result<(), StoreError> {
        let path = self.join("limits.toml");
        let list: Vec<String> = purposes.iter().map(|id| format!("\"{id}\"")).collect();
        let text = format!(
            "# What this member answers. The charter and the compiled-in floor hold too; here you can only\n# tighten. Without this file the node answers nothing. What these limits allow is answered without asking\n# you, unless a file inbox.toml beside this one says otherwise: datacoop inbox --help.\npurposes = [{}]\n# rho_query = 20_000_000    # most one question may cost, in billionths of rho\n# rho_year = 250_000_000    # most a year may cost\n# questions = {{ except = [] }}\n",
            list.join(", ")
        );
        write_durably(&path, text.as_bytes())
    }

    /// Where the engine finds what a Question over this vocabulary is about, and who counts: whose
    /// consent names the purpose on this day, and who does not object. `under` is the version of the charter
    /// that the Query names; without one the newest counts.
    pub fn sources(
        &self,
        vocabulary: &Vocabulary,
        purpose: &str,
        at: Day,
        under: Option<&Digest>,
    ) -> Result<Sources, StoreError> {
        let people = self.people(vocabulary, under)?;
        let objections = objections::read(&self.path)?.remove(vocabulary.dataset()).unwrap_or_default();
        let sources = Sources::new(self.table(vocabulary).map(|(_, folder)| folder));
        Ok(sources.with_people(people).with_objections(objections).asked(purpose, at))
    }

    /// Every vocabulary that has a table here, for the person at this computer.
    pub fn local_tables(&self) -> Result<Vec<LocalTable>, StoreError> {
        let mut tables = vec![];
        for (_, vocabulary) in self.vocabularies()?.into_values() {
            let Some((_, folder)) = self.table(&vocabulary) else { continue };
            let people = self.people(&vocabulary, None)?;
            tables.push(LocalTable { vocabulary, folder, people });
        }
        Ok(tables)
    }

    /// The vocabulary and the table of the people that a vocabulary's rows are about.
    fn people(
        &self,
        vocabulary: &Vocabulary,
        under: Option<&Digest>,
    ) -> Result<Option<(Arc<Vocabulary>, PathBuf)>, StoreError> {
        let people = match people_vocabulary(vocabulary).filter(|name| *name != vocabulary.name()) {
            Some(name) => self.vocabulary(name, under)?,
            None => None,
        };
        Ok(people
            .and_then(|people| Some((self.table(&people)?.1, people)))
            .map(|(folder, people)| (people, folder)))
    }

    /// The vocabulary of this name, in the charter's text where it names one: that of this version, or of the
    /// newest.
    pub fn vocabulary(
        &self,
        name: &str,
        under: Option<&Digest>,
    ) -> Result<Option<Arc<Vocabulary>>, StoreError> {
        let mut versions = self.charters()?.into_iter().rev();
        let charter = versions.find(|(_, charter)| under.is_none_or(|hash| charter.hash() == *hash));
        let wanted = charter.and_then(|(_, charter)| charter.vocabulary(name).map(|(hash, _)| hash));
        let fits = |hash: &Digest, known: &Vocabulary| {
            known.name() == name && wanted.is_none_or(|wanted| wanted == *hash)
        };
        let mut known = self.vocabularies()?.into_iter();
        let found = known.find(|(hash, (_, known))| fits(hash, known));
        Ok(found.map(|(_, (_, vocabulary))| vocabulary))
    }

    /// The newest snapshot of a vocabulary's table: its number and its folder.
    pub fn table(&self, vocabulary: &Vocabulary) -> Option<(u64, PathBuf)> {
        newest_table(&self.join("tables"), vocabulary)
    }

    /// Datasets of any of these versions of the charter of which a table lies here: one may still act, or act
    /// soon.
    pub fn declared(&self, charters: &[Arc<Charter>]) -> Result<BTreeSet<String>, StoreError> {
        let known = self.vocabularies()?;
        let datasets = charters.iter().flat_map(|charter| &charter.fields().datasets).filter(|dataset| {
            dataset
                .vocabularies
                .iter()
                .any(|(_, hash)| known.get(hash).is_some_and(|(_, v)| self.table(v).is_some()))
        });
        Ok(datasets.map(|dataset| dataset.id.clone()).collect())
    }
}
