//! Rows of the files that a run leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

/// The rows of a TSV log, without its header.
pub(crate) fn rows(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(str::to_owned).collect()
}

/// A table's rows by its key, as `column=value` in the order of the columns.
pub(crate) type Table = BTreeMap<String, Vec<String>>;
/// The content of a database by table.
pub(crate) type Content = BTreeMap<String, Table>;

/// Everything in a database.
pub(crate) fn content(database: &Path) -> Content {
    let connection = Connection::open(database).unwrap();
    let mut names = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap();
    let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
    names
        .map(|name| {
            let name = name.unwrap();
            let table = table(&connection, &name);
            (name, table)
        })
        .collect()
}

fn table(connection: &Connection, name: &str) -> Table {
    let key: Vec<String> = texts(
        connection,
        &format!("SELECT name FROM pragma_table_info('{name}') WHERE pk > 0 ORDER BY pk"),
    );
    let columns = texts(
        connection,
        &format!("SELECT name FROM pragma_table_info('{name}') ORDER BY cid"),
    );
    let mut statement = connection
        .prepare(&format!("SELECT * FROM {name} ORDER BY {}", key.join(", ")))
        .unwrap();
    let rows = statement.query_map([], |row| {
        let cells: Vec<(&String, Value)> = columns
            .iter()
            .enumerate()
            .map(|(n, column)| Ok((column, row.get(n)?)))
            .collect::<rusqlite::Result<_>>()?;
        let of_key = cells.iter().filter(|(column, _)| key.contains(column));
        let key: Vec<String> = of_key.map(|(_, value)| format!("{value:?}")).collect();
        let cells = cells
            .iter()
            .map(|(column, value)| format!("{column}={value:?}"));
        Ok((key.join(" "), cells.collect()))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let texts = statement.query_map([], |row| row.get(0)).unwrap();
    texts.map(Result::unwrap).collect()
}

/// What was found, and the runs without what names their inputs.
pub(crate) fn without_inputs(mut content: Content) -> Content {
    if let Some(runs) = content.get_mut("runs") {
        let kept = std::mem::take(runs).into_values().map(|mut row| {
            row.retain(|cell| !cell.starts_with("run_id=") && !cell.starts_with("inputs_json="));
            (row.join(" "), row)
        });
        *runs = kept.collect();
    }
    content
}
