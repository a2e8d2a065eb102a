//! This node's log as one file: what `datacoop log export` writes, in an archive that every computer opens. Must not
//! know what stands in a log.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::super::{Shared, frame_of, stopped};
use crate::error::CommandError;
use crate::export::{Snapshot, snapshot, write_export};
use crate::folder::make_dir;
use crate::home::Home;

/// Where the archive is fetched.
pub(super) const PATH: &str = "/log/export.zip";
/// The folder in the archive, as the page's command names it.
pub(super) const FOLDER: &str = "log";
/// Bytes that are read of the archive at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The archive. It lies on the disk without a name, so nothing is left of it when whoever fetches it is gone.
pub(in crate::pages) async fn export(State(shared): State<Shared>) -> Response {
    match archive(&shared).await {
        Ok(file) => {
            let headers = [
                (header::CONTENT_TYPE, "application/zip"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"log.zip\""),
            ];
            (headers, Body::from_stream(stream::unfold(file, next_piece))).into_response()
        }
        Err(error) => frame_of(&shared.handle).await.error("/log", &error),
    }
}

async fn archive(shared: &Shared) -> Result<File, CommandError> {
    let taken = shared.handle.view(snapshot).await.ok_or_else(stopped)?;
    let taken = taken.ok_or_else(|| CommandError::failed("this node has signed nothing yet".into()))?;
    let home = shared.handle.home().clone();
    // One at a time: each holds a copy of the log on the disk.
    let held = Arc::clone(&shared.exporting).lock_owned().await;
    let packed = tokio::task::spawn_blocking(move || {
        let packed = pack(&taken, &home);
        drop(held);
        packed
    });
    packed.await.map_err(|error| CommandError::failed(error.to_string()))?
}

fn pack(taken: &Snapshot, home: &Home) -> Result<File, CommandError> {
    let failed = |error: io::Error| CommandError::failed(format!("the log cannot be packed: {error}"));
    let run = home.join("run");
    make_dir(&run).map_err(|error| CommandError::failed(error.to_string()))?;
    let folder = tempfile::tempdir_in(&run).map_err(failed)?;
    write_export(taken, home, &folder.path().join(FOLDER))
        .map_err(|error| CommandError::failed(error.to_string()))?;
    let file = tempfile::tempfile_in(&run).map_err(failed)?;
    zipped(folder.path(), file).map_err(failed)
}

/// All files below a folder in an archive, by their paths: the same files make the same bytes.
fn zipped(folder: &Path, archive: File) -> io::Result<File> {
    let mut zip = ZipWriter::new(archive);
    for (name, path) in files_below(folder)? {
        let mut file = File::open(path)?;
        let is_large = file.metadata()?.len() >= u64::from(u32::MAX);
        zip.start_file(name, SimpleFileOptions::default().large_file(is_large))?;
        io::copy(&mut file, &mut zip)?;
    }
    let mut archive = zip.finish()?;
    archive.rewind()?;
    Ok(archive)
}

fn files_below(folder: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![(String::new(), folder.to_owned())]);
    while let Some((above, folder)) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{above}{}", entry.file_name().to_string_lossy());
            match entry.file_type()?.is_dir() {
                true => folders.push((format!("{name}/"), entry.path())),
                false => drop(files.insert(name, entry.path())),
            }
        }
    }
    Ok(files)
}

/// The next bytes; `None` at the end.
async fn next_piece(file: File) -> Option<(io::Result<Vec<u8>>, File)> {
    let read = tokio::task::spawn_blocking(move || {
        let mut piece = vec![];
        let read = (&file).take(PIECE_BYTES as u64).read_to_end(&mut piece).map(|_| piece);
        (read, file)
    });
    let (read, file) = read.await.ok()?;
    match read {
        Ok(piece) if piece.is_empty() => None,
        read => Some((read, file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_holds_every_file_by_its_path_and_is_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("log/tile/0/000", "b"), ("log/checkpoint", "a"), ("log/blobs/ff", "")] {
            let path = folder.path().join(name);
            make_dir(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let bytes = || {
            let mut bytes = vec![];
            zipped(folder.path(), tempfile::tempfile().unwrap()).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(bytes(), bytes());
        let mut read = zip::ZipArchive::new(io::Cursor::new(bytes())).unwrap();
        let names: Vec<String> = read.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["log/blobs/ff", "log/checkpoint", "log/tile/0/000"]);
        let mut text = String::new();
        read.by_name("log/checkpoint").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "a");
    }
}
