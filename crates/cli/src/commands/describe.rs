//! `completions` and `man`: the command line, described for a shell and for `man`.

use anyhow::Result;
use clap::CommandFactory;

use crate::flags::{Cli, CompletionsFlags};
use crate::print::print_data;

pub(super) fn completions(flags: &CompletionsFlags) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Cli::command(), "taper", &mut script);
    print_data(&String::from_utf8(script)?)
}

pub(super) fn manual() -> Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    for command in Cli::command().get_subcommands() {
        let name = format!("taper {}", command.get_name());
        let mut arguments = Vec::new();
        clap_mangen::Man::new(command.clone()).render_options_section(&mut arguments)?;
        page.extend(format!(".SH \"{}\"\n", name.to_uppercase()).into_bytes());
        page.extend(format!("{}\n", command.get_about().cloned().unwrap_or_default()).into_bytes());
        let arguments = String::from_utf8(arguments)?;
        page.extend(
            arguments
                .lines()
                .skip_while(|line| line.starts_with(".SH"))
                .flat_map(|line| [line.as_bytes(), b"\n"].concat()),
        );
    }
    print_data(&String::from_utf8(page)?)
}
