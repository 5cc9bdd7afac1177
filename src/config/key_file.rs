//! The secret key of the account: given in exactly one way, read once, never shown.

use super::failure::{ConfigError, Place};
use super::source::{Environment, Found, Node};
use crate::signer::LocalSigner;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::Zeroizing;

const KEY: &str = "secret_key_file";
const VARIABLE: &str = "STELLAR_SECRET_KEY";
const FILE_VARIABLE: &str = "STELLAR_SECRET_KEY_FILE";
/// A key has 56 characters, and perhaps a newline.
const MAX_FILE_BYTES: u64 = 1024;
/// Permission bits.
const GROUP_READS: u32 = 0o040;
const OTHERS_READ: u32 = 0o004;

/// Reads the key from where it is.
pub(super) fn read(node: &Node<'_>, environment: &Environment) -> Result<LocalSigner, ConfigError> {
    let itself = environment.get(VARIABLE)?;
    let in_variable = environment.get(FILE_VARIABLE)?;
    let in_file = node.in_file(KEY)?;
    let files = [in_variable, in_file].into_iter().flatten();
    match (itself, files.collect::<Vec<_>>().as_mut_slice()) {
        (Some(key), []) => signer(&Zeroizing::new(key.text), key.place, VARIABLE),
        (None, [file]) => from_file(file),
        (None, []) => Err(node.missing(node.key(KEY))),
        (Some(Found { place, text }), [other, ..]) => {
            drop(Zeroizing::new(text));
            Err(twice(place, &other.place))
        }
        (None, [first, second, ..]) => Err(twice(first.place.clone(), &second.place)),
    }
}

fn twice(place: Place, other: &Place) -> ConfigError {
    place.refuse_value(VARIABLE, format!("the secret key is given here and by {other} as well: keep one"))
}

fn from_file(found: &Found) -> Result<LocalSigner, ConfigError> {
    let text =
        secret_text(&found.text, "owns the account").map_err(|why| found.place.clone().refuse_value(KEY, why))?;
    signer(&text, found.place.clone(), KEY)
}

/// What stands in a file that nobody else can read, and why that matters if somebody can: whoever reads it `does` that.
fn secret_text(path: &str, does: &str) -> Result<Zeroizing<String>, String> {
    let cannot = |error: std::io::Error| format!("cannot read {path}: {error}");
    let file = File::open(path).map_err(cannot)?;
    let about = file.metadata().map_err(cannot)?;
    if !about.is_file() {
        return Err(format!("{path} is no file"));
    }
    if let Some(who) = who_else_reads(about.mode(), about.uid(), rustix::process::geteuid().as_raw()) {
        return Err(format!("{path} can be read by {who}: whoever reads it {does}; chmod 600 {path}"));
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(MAX_FILE_BYTES).unwrap_or(0)));
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(cannot)?;
    Ok(text)
}

/// Reads a key for a server from a file that nobody else can read.
///
/// # Errors
/// If there is none that a request could have.
pub fn read_api_key(path: &Path) -> Result<Zeroizing<String>, String> {
    let path = path.display().to_string();
    let text = secret_text(&path, "can ask in our name")?;
    let key = text.trim();
    let good = !key.is_empty() && key.len() <= 256 && key.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(Zeroizing::new(key.to_owned())) } else { Err(format!("{path} holds no key: one word is wanted")) }
}

fn signer(text: &str, place: Place, key: &'static str) -> Result<LocalSigner, ConfigError> {
    LocalSigner::from_strkey(text).map_err(|error| place.refuse_value(key, error))
}

/// Who but us may read a file with this mode and owner. A secret that a platform mounts belongs to the platform (root),
/// and its group is how we are let in: then the group is no stranger. Where we own the file, it is.
fn who_else_reads(mode: u32, owner: u32, us: u32) -> Option<&'static str> {
    if mode & OTHERS_READ != 0 {
        return Some("everyone");
    }
    (mode & GROUP_READS != 0 && owner == us).then_some("its group")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_its_owner_or_mounted_for_a_group() {
        let (root, us) = (0, 1000);
        for (mode, owner, refused) in [
            (0o600, us, None),
            (0o400, us, None),
            (0o440, root, None),
            (0o640, us, Some("its group")),
            (0o440, us, Some("its group")),
            (0o444, root, Some("everyone")),
            (0o604, us, Some("everyone")),
        ] {
            assert_eq!(who_else_reads(0o100_000 | mode, owner, us), refused, "{mode:o} of {owner}");
        }
    }
}
