//! The rows a Question is about: a view called `rows` over the files that its period needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::question::BoundQuestion;
use datacoop_policy::vocabulary::Vocabulary;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::table::{Part, schema};
use super::{EngineError, failed};

/// Memory the engine may take; beyond, it spills.
const MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Where the engine finds what a Question is about.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    table: Option<PathBuf>,
}

impl Sources {
    /// The newest snapshot of the Question's vocabulary; `None` when there is none here.
    pub fn new(table: Option<PathBuf>) -> Self {
        Self { table }
    }
}

/// An engine that knows nothing yet.
pub(super) fn context() -> Result<SessionContext, EngineError> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let config = SessionConfig::new().with_target_partitions(cores).with_information_schema(false);
    let pool = Arc::new(GreedyMemoryPool::new(MEMORY_BYTES_MAX));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc().map_err(failed)?;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

/// An engine in which `rows` are the Question's; `None` when there is no table.
pub(super) fn rows_of(
    sources: &Sources,
    question: &BoundQuestion,
) -> Result<Option<SessionContext>, EngineError> {
    let Some(folder) = &sources.table else { return Ok(None) };
    let vocabulary = question.question().vocabulary();
    let part = match vocabulary.date_column() {
        // A period lies inside one academic year: no other file can hold a row of it.
        Some(_) => Part::Year(question.period().year()),
        None => Part::All,
    };
    let context = context()?;
    let table = table_of(vocabulary, &[folder.join(part.file_name())])?;
    context.register_table("rows", table).map_err(failed)?;
    Ok(Some(context))
}

/// The rows of these files, as far as they exist.
fn table_of(vocabulary: &Vocabulary, files: &[PathBuf]) -> Result<Arc<dyn TableProvider>, EngineError> {
    let schema: SchemaRef = schema(vocabulary);
    let files: Vec<_> = files.iter().filter(|file| file.exists()).collect();
    if files.is_empty() {
        return Ok(Arc::new(MemTable::try_new(schema, vec![vec![]]).map_err(failed)?));
    }
    let urls = files.into_iter().map(|file| url_of(file)).collect::<Result<Vec<_>, _>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options);
    Ok(Arc::new(ListingTable::try_new(config.with_schema(schema)).map_err(failed)?))
}

/// Why: a path as it is would be read as a pattern where it holds `*`, `?` or `[`.
fn url_of(file: &Path) -> Result<ListingTableUrl, EngineError> {
    let file = file.canonicalize().map_err(failed)?;
    let mut url = String::from("file://");
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                url.push(char::from(*byte))
            }
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    ListingTableUrl::parse(url).map_err(failed)
}
