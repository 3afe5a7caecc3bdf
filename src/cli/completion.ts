import { COMMANDS, type CommandSpec, type FlagSpec, type Shell } from './spec.js';

/** Completion scripts, from the table of commands. They are plain text: completing starts no rheo. */

const CAPTURE_GLOB = '*.pcap *.pcapng *.cap *.pcap.gz *.pcapng.gz';

/** Text in single quotes for any of the three shells' POSIX-like quoting. */
function single(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function words(command: CommandSpec): string[] {
  return [
    ...command.flags.flatMap((flag) => [...(flag.short === undefined ? [] : [`-${flag.short}`]), `--${flag.name}`]),
    '--help',
  ];
}

/** What can follow a flag: its words, with the tail that each class or mode needs. */
function flagChoices(flag: FlagSpec): string[] {
  const tail = flag.kind === 'classTime' ? '=' : '';
  return (flag.choices ?? []).map((choice) => choice + tail);
}

function bash(): string {
  let cases = '';
  for (const command of COMMANDS) {
    let values = '';
    for (const flag of command.flags) {
      if (flag.kind === 'switch' || flag.optional !== undefined) continue;
      const names = [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])].join('|');
      const choices = flagChoices(flag);
      if (flag.kind === 'file') values += `        ${names}) COMPREPLY=($(compgen -f -- "$current")); return ;;\n`;
      else if (flag.kind === 'list' && choices.length > 0) {
        values += `        ${names}) _rheo_list ${single(choices.join(' '))}; return ;;\n`;
      } else if (choices.length > 0) {
        values += `        ${names}) COMPREPLY=($(compgen -W ${single(choices.join(' '))} -- "$current")); return ;;\n`;
      } else values += `        ${names}) return ;;\n`;
    }
    const operands =
      command.operands === 'files'
        ? 'COMPREPLY=($(compgen -f -- "$current"))'
        : command.operands === 'none'
          ? ':'
          : `COMPREPLY=($(compgen -W ${single(command.operands.join(' '))} -- "$current"))`;
    const previous = values === '' ? '' : `      case "$previous" in\n${values}      esac\n`;
    cases += `    ${command.name})
${previous}      if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W ${single(words(command).join(' '))} -- "$current"))
      else
        ${operands}
      fi ;;
`;
  }
  const names = COMMANDS.map((command) => command.name).join(' ');
  return `# bash completion for rheo: put it in ~/.local/share/bash-completion/completions/rheo
_rheo_list() {
  local before='' last="$current"
  if [[ $current == *,* ]]; then
    before="\${current%,*},"
    last="\${current##*,}"
  fi
  COMPREPLY=($(compgen -P "$before" -W "$1" -- "$last"))
  compopt -o nospace 2>/dev/null
}

_rheo() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W ${single(`${names} --help --version`)} -- "$current"))
    return
  fi
  compopt -o filenames 2>/dev/null
  case "\${COMP_WORDS[1]}" in
${cases}  esac
}

complete -F _rheo rheo
`;
}

/** Characters that mean something inside a spec of _arguments. */
function zshText(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&');
}

function zshFlag(flag: FlagSpec): string {
  const repeat = flag.repeat === true ? '*' : '';
  const description = `[${zshText(flag.summary)}]`;
  let value = '';
  if (flag.kind === 'file') value = ':file:_files';
  else if (flag.kind !== 'switch') {
    const choices = flagChoices(flag).map(zshText);
    const message = zshText(flag.placeholder ?? 'value');
    if (choices.length === 0) value = `${flag.optional === undefined ? ':' : '::'}${message}:`;
    else if (flag.kind === 'list') value = `:${message}:_values -s , ${flag.name} ${choices.join(' ')}`;
    else value = `:${message}:(${choices.join(' ')})`;
  }
  const names = [...(flag.short === undefined ? [] : [`-${flag.short}`]), `--${flag.name}`];
  return names.map((name) => single(`${repeat}${name}${description}${value}`)).join(' \\\n        ');
}

function zsh(): string {
  let cases = '';
  for (const command of COMMANDS) {
    const specs = command.flags.map(zshFlag);
    specs.push(single('(-h --help)'.concat('--help[help on this command]')));
    if (command.operands === 'files')
      specs.push(
        single(`*:capture or filter:_files -g "${CAPTURE_GLOB.replaceAll(' ', '|').replace(/^/, '(').concat(')')}"`),
      );
    else if (command.operands !== 'none') specs.push(single(`1:what:(${command.operands.join(' ')})`));
    cases += `    ${command.name})\n      _arguments -s \\\n        ${specs.join(' \\\n        ')} ;;\n`;
  }
  const commands = COMMANDS.map((command) => `    ${single(`${command.name}:${command.summary}`)}`).join('\n');
  return `#compdef rheo
# zsh completion for rheo: put it as _rheo in a folder of $fpath
_rheo() {
  local -a commands
  commands=(
${commands}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=\${words[2]}
  shift words
  (( CURRENT-- ))
  case $command in
${cases}  esac
}

if [[ $funcstack[1] == _rheo ]]; then
  _rheo "$@"
else
  compdef _rheo rheo
fi
`;
}

/** Single quotes of fish know only \\\\ and \\'. */
function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function fish(): string {
  let text = '# fish completion for rheo: put it in ~/.config/fish/completions/rheo.fish\n';
  text += 'complete -c rheo -f\n';
  text += "complete -c rheo -n __fish_use_subcommand -l help -s h -d 'help'\n";
  text += "complete -c rheo -n __fish_use_subcommand -l version -s V -d 'version'\n";
  for (const command of COMMANDS) {
    text += `complete -c rheo -n __fish_use_subcommand -a ${command.name} -d ${fishQuote(command.summary)}\n`;
    const when = `-n ${fishQuote(`__fish_seen_subcommand_from ${command.name}`)}`;
    for (const flag of command.flags) {
      const short = flag.short === undefined ? '' : ` -s ${flag.short}`;
      let value = '';
      if (flag.kind === 'file') value = ' -r -F';
      else if (flag.kind !== 'switch' && flag.optional === undefined) {
        const choices = flagChoices(flag);
        const list = choices.join(' ');
        if (choices.length === 0) value = ' -x';
        else if (flag.kind === 'list') value = ` -x -a ${fishQuote(`(__fish_append , ${list})`)}`;
        else value = ` -x -a ${fishQuote(list)}`;
      }
      text += `complete -c rheo ${when} -l ${flag.name}${short}${value} -d ${fishQuote(flag.summary)}\n`;
    }
    text += `complete -c rheo ${when} -l help -s h -d 'help on this command'\n`;
    if (command.operands === 'files') text += `complete -c rheo ${when} -F\n`;
    else if (command.operands !== 'none')
      text += `complete -c rheo ${when} -a ${fishQuote(command.operands.join(' '))}\n`;
  }
  return text;
}

/** Script that a shell reads. */
export function completionScript(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bash();
    case 'zsh':
      return zsh();
    case 'fish':
      return fish();
  }
}
