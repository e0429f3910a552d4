//! Writes the seeds of every reader to files, for a search that is guided by coverage:
//! `cargo run --release -p cine-fuzz --example seeds -- DIR` makes `DIR/<reader>/<number>`.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("name a folder"));
    for reader in &fuzz::READERS {
        let of_reader = folder.join(reader.name);
        std::fs::create_dir_all(&of_reader)?;
        for (number, seed) in (reader.seeds)().iter().enumerate() {
            std::fs::write(of_reader.join(number.to_string()), seed)?;
        }
    }
    Ok(())
}
