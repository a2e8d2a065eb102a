//! Pages that parse as XML as well as HTML, so that a parser says whether they are whole. Everything
//! that others wrote goes through [`text`]. Must not know what a page says.

use crate::cli::plain;

/// A text of others inside a page: no tag, no attribute's end, no control or direction mark.
pub(crate) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No character of XML.
            '\u{fffe}' | '\u{ffff}' | '\u{61c}' => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// A text of several lines as paragraphs.
pub(crate) fn paragraphs(lines: &str) -> String {
    let filled = lines.lines().filter(|line| !line.trim().is_empty());
    filled.map(|line| format!("<p>{}</p>\n", text(line))).collect()
}

/// A list of texts.
pub(crate) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: String = items.into_iter().map(|item| format!("<li>{}</li>\n", text(item))).collect();
    format!("<ul>\n{items}</ul>\n")
}

/// Pairs of a name and what it says; the second is HTML.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs = pairs.into_iter();
    let all: String = pairs.map(|(name, said)| format!("<dt>{}</dt><dd>{said}</dd>\n", text(name))).collect();
    format!("<dl>\n{all}</dl>\n")
}

/// A table whose first column names its rows; cells are HTML.
pub(crate) fn table(caption: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", text(head))).collect();
    let mut body = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(at, cell)| match at {
            0 => format!("<th scope=\"row\">{cell}</th>"),
            _ => format!("<td>{cell}</td>"),
        });
        body += &format!("<tr>{}</tr>\n", cells.collect::<String>());
    }
    format!(
        "<div class=\"table\" role=\"region\" aria-label=\"{0}\" tabindex=\"0\">\n<table>\n<caption>{0}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n",
        text(caption)
    )
}

/// A link to a file of this folder whose name we made.
pub(crate) fn link(file: &str, said: &str) -> String {
    format!("<a href=\"{file}\">{}</a>", text(said))
}

/// Pages in the navigation.
const NAV: [(&str, &str); 5] = [
    ("index.html", "Register"),
    ("results.html", "Results"),
    ("members.html", "Members"),
    ("charter.html", "Charter"),
    ("privacy.html", "How people are protected"),
];

/// A whole page: `name` is the co-operative's, `main` is HTML that begins below the heading.
pub(crate) fn page(name: &str, title: &str, banner: &str, main: &str, footer: &str) -> String {
    let nav: String = NAV.iter().map(|(file, said)| format!("<li>{}</li>\n", link(file, said))).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\" />\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'\" />\n<title>{0} - {1}</title>\n<link rel=\"stylesheet\" href=\"style.css\" />\n<link rel=\"alternate\" type=\"application/atom+xml\" title=\"New results\" href=\"feed.xml\" />\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header>\n<p>{1}: public register</p>\n<nav aria-label=\"Register\">\n<ul>\n{nav}</ul>\n</nav>\n</header>\n<main id=\"main\">\n<h1>{0}</h1>\n{banner}{main}</main>\n<footer>\n{footer}</footer>\n</body>\n</html>\n",
        text(title),
        text(name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_write_is_markup() {
        assert_eq!(text("<script>\"&'"), "&lt;script&gt;&quot;&amp;&#39;");
        assert_eq!(text("a\u{202e}b\u{200f}\u{1b}\u{ffff}"), "a\\u{202e}b\\u{200f}\\u{1b}\\u{ffff}");
        assert_eq!(paragraphs("One.\n\n<b>"), "<p>One.</p>\n<p>&lt;b&gt;</p>\n");
    }
}
