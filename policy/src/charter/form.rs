//! What a text or an address of a charter may look like. Must not know what it is for.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{CharterDraft, CharterError, TEXT_BYTES_MAX, refuse};

/// Addresses of one member: more is no directory entry but a way to have others dial.
const ADDRESSES_MAX: usize = 8;
/// Longest address: a DNS name has at most 253 characters.
pub(super) const ADDRESS_BYTES_MAX: usize = 512;

/// Whether a character can make a text read otherwise than it is: control characters but line feeds, the marks
/// that turn the direction of what follows, and what is not seen at all, so that two names would look alike.
/// Source: Unicode's Default_Ignorable_Code_Point, variation selectors aside, which emblems need; line and
/// paragraph separators; interlinear annotation; the blank Braille cell.
pub fn deceives(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}')
}

/// A text of one line that people read, such as a name.
pub fn is_line(text: &str) -> bool {
    // One kind of space: another looks the same, and is another name.
    let plain = |c: char| !deceives(c) && (c == ' ' || !c.is_whitespace());
    text.trim() == text && text.chars().all(plain) && text.len() <= TEXT_BYTES_MAX
}

/// Whether a body is written in Latin letters with whole accents, as public registers of these islands have it. Of
/// letters of other alphabets many look the same, and which do changes with each version of Unicode; a rule that
/// all nodes must judge alike cannot rest on that.
pub(super) fn is_latin(body: &str) -> bool {
    let latin = |c: char| {
        matches!(c, ' '..='~' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{17e}'
            | '\u{1e80}'..='\u{1e85}' | '\u{1ef2}' | '\u{1ef3}' | '\u{2013}' | '\u{2014}' | '\u{2018}'..='\u{201d}')
    };
    body.chars().all(latin)
}

/// What a Latin text reads as at a glance: its letters and digits, those that look alike as one.
pub(super) fn look(text: &str) -> String {
    let lower = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
    let alike = |c: char| match c {
        'i' | '1' | '\u{131}' => 'l',
        '0' => 'o',
        _ => c,
    };
    lower.map(alike).collect::<String>().replace("rn", "m").replace("vv", "w")
}

/// Every text of a charter reads as what it is.
pub(super) fn check_texts(draft: &CharterDraft) -> Result<(), CharterError> {
    let mut lines = vec![draft.name.as_str()];
    for member in &draft.members {
        let keys = &member.keys;
        lines.extend([member.name.as_str(), &member.body, &keys.charter.name, &keys.log.name]);
        lines.push(&keys.witness.name);
        lines.extend(member.addresses.iter().map(String::as_str));
    }
    for dataset in &draft.datasets {
        lines.extend([dataset.id.as_str(), &dataset.unit]);
        lines.extend(dataset.vocabularies.iter().map(|(name, _)| name.as_str()));
    }
    for purpose in &draft.purposes {
        lines.extend([purpose.id.as_str(), &purpose.title]);
        lines.extend(purpose.not_for.iter().chain(&purpose.funders).map(String::as_str));
    }
    if let Some(line) = lines.into_iter().find(|line| !is_line(line)) {
        return refuse(
            "C7",
            format!(
                "`{}`: write it on one line, without spaces around it, other spaces, control characters, direction marks or signs that are not seen",
                line.escape_debug()
            ),
        );
    }
    let lock = &draft.asset_lock;
    let told = draft.purposes.iter().flat_map(|purpose| [&purpose.plain, &purpose.affected, &purpose.heard]);
    let texts = told.chain([&lock.clause, &lock.stricter]);
    match texts.into_iter().find(|text| text.chars().any(deceives) || text.len() > TEXT_BYTES_MAX) {
        Some(text) => refuse(
            "C7",
            format!(
                "`{}`: at most {TEXT_BYTES_MAX} bytes, without control characters, direction marks or signs that are not seen",
                text.escape_debug()
            ),
        ),
        None => Ok(()),
    }
}

/// Every address is one that a member can be reached at: all others dial it.
pub(super) fn check_addresses(draft: &CharterDraft) -> Result<(), CharterError> {
    for member in &draft.members {
        if member.addresses.len() > ADDRESSES_MAX {
            return refuse("C7", format!("`{}`: at most {ADDRESSES_MAX} addresses", member.id));
        }
        let bad =
            |address: &&String| address.len() > ADDRESS_BYTES_MAX || ip_of(address).is_some_and(is_nobodys);
        if let Some(address) = member.addresses.iter().find(bad) {
            return refuse(
                "C7",
                format!(
                    "`{}`: `{}` leads to whatever lies next to whoever dials it; write a name or address of your own",
                    member.id,
                    address.escape_debug()
                ),
            );
        }
    }
    Ok(())
}

/// The number in an address such as `/ip4/192.0.2.1/tcp/7700`.
fn ip_of(address: &str) -> Option<IpAddr> {
    let mut parts = address.split('/').skip(1);
    while let Some(part) = parts.next() {
        match part {
            "ip4" => return parts.next()?.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "ip6" => return parts.next()?.parse::<Ipv6Addr>().ok().map(|ip| IpAddr::V6(ip).to_canonical()),
            _ => {}
        }
    }
    None
}

/// Unspecified, link-local, or where clouds tell a machine its own secrets.
fn is_nobodys(ip: IpAddr) -> bool {
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match ip {
        IpAddr::V4(ip) => ip.octets()[0] == 0 || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_unicast_link_local() || ip == METADATA,
    }
}
