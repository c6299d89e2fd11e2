"""The house's floors: a room imports only from floors below it, and nothing goes round in circles.

A room is a module or a package directly under textgan_lit. A new one needs its place in FLOORS.
"""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "textgan_lit"

FLOORS = [  # from the cellar to the roof
    ["errors", "functional"],
    ["tokenizer", "run"],
    ["types", "noise", "clock", "faults", "logger"],
    ["model", "report"],
    ["data", "metrics"],
    ["truth"],
    ["system"],
    ["callbacks", "audit", "build"],
    ["play", "inference"],
    ["cli"],
    ["commands", "sweep", "training"],
    ["__main__"],
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Lightning, Hydra and W&B at the edges only: which rooms may know of them.
EDGES = {
    "pytorch_lightning": {"run", "data", "system", "callbacks", "logger", "build", "play", "sweep"},
    "torchmetrics": {"truth", "metrics", "callbacks"},
    "wandb": {"run", "callbacks", "logger"},
    "hydra": {"run", "build", "play", "cli", "commands", "sweep"},
    "omegaconf": {"run", "build", "play", "cli", "commands", "sweep"},
}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def room_of(module: str) -> str | None:
    """None for the package itself, which stands on the roof."""
    return module.split(".")[1] if "." in module else None


def imports(module: str) -> set[str]:
    """Every module that ``module`` imports, anywhere in it: an import inside a function can be a circle too."""
    found = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                here = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
                origin = ".".join(filter(None, [*here[: len(here) - node.level + 1], origin]))
            for (
                alias
            ) in node.names:  # "from textgan_lit import reading" imports the module textgan_lit.truth.held_out_check
                inner = f"{origin}.{alias.name}"
                found.add(inner if inner in MODULES else origin)
    return found


def inside(module: str) -> set[str]:
    return {name for name in imports(module) if name.split(".")[0] == "textgan_lit"}


def test_every_room_has_its_floor():
    rooms = {room_of(module) for module in MODULES} - {None}
    assert rooms == FLOOR.keys(), f"in FLOORS or in the package, but not in both: {sorted(rooms ^ FLOOR.keys())}"
    assert sum(map(len, FLOORS)) == len(FLOOR), "a room is listed twice"


def test_a_hallway_has_few_doors():
    """Files and folders at the top of the package, and files among them: a stranger reads their names first."""
    loose = [room for room in FLOOR if (PACKAGE / f"{room}.py").exists() and not room.startswith("__")]
    assert len(FLOOR) <= 30
    assert len(loose) <= 13


WRITTEN = sorted(
    path for part in ("textgan_lit", "tests", "studies", "benchmarks") for path in (ROOT / part).rglob("*.py")
)


def test_what_is_written_fits_on_few_screens():
    long = []
    for path in WRITTEN:
        text, name = path.read_text(), path.relative_to(ROOT).as_posix()
        long += [name] * (len(text.splitlines()) > 350)
        functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
        long += [f"{name}: {node.name}" for node in functions if node.end_lineno - node.lineno >= 50]
    assert not long, "files of over 350 lines, or functions of over 50"


def test_what_tests_share_lies_in_helpers():
    """No test imports from another one, so that each can be moved, renamed or taken out."""
    pattern = re.compile(r"^\s*(?:from|import) tests\.(?:unit|laws|worlds|system)\b.*", re.MULTILINE)
    found = {path.name: pattern.findall(path.read_text()) for path in WRITTEN}
    assert not {name: lines for name, lines in found.items() if lines}


def test_the_page_says_what_every_room_is():
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    table = page.partition("| rooms | what they are |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `")))
    assert sorted(named) == sorted(FLOOR)


def test_a_step_can_be_followed_in_few_files():
    """What the page names stands in the file that it names, a SeqGAN step in the system and four files of model/."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    walk = page.partition("## One generator step, followed")[2].partition("\n## ")[0]
    rows = [re.findall(r"`([\w./]+)`", line.split("|")[1]) for line in walk.splitlines() if line.startswith("| `")]
    assert len({file for file, *_ in rows if file.startswith("model/")}) == 4
    for file, *names in rows:
        defined = {getattr(node, "name", "") for node in ast.walk(TREES[name_of(PACKAGE / file)])}
        assert defined >= set(names or [file]), f"{file} defines no {', '.join(set(names) - defined)}"


def test_a_room_imports_only_from_floors_below():
    for module in filter(room_of, MODULES):
        room = room_of(module)
        for imported in inside(module):
            other = room_of(imported)
            below = other in (None, room) or FLOOR[other] < FLOOR[room]
            assert below, f"{module} imports {imported}, which is not below it"


def test_nothing_goes_round_in_circles():
    # A package's __init__ is left out as a place to arrive at: Python runs it before any module of the package.
    graph = {module: inside(module) - {module} for module in MODULES if room_of(module)}
    TopologicalSorter(graph).prepare()  # raises CycleError and names the circle


def test_lightning_hydra_and_wandb_stay_at_the_edges():
    for module in MODULES:
        for library in {name.split(".")[0] for name in imports(module)} & EDGES.keys():
            assert room_of(module) in EDGES[library], f"{module} knows of {library}"


# What writes, links or renames a file by its name. Who needs one of these has files.replace, replacing, append, making.
WRITES = {
    *("os.open", "os.link", "os.symlink", "os.rename", "os.replace", "os.renames", "os.mkfifo", "os.truncate"),
    *("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.move", "logging.FileHandler"),
    *("np.save", "np.savez", "np.savez_compressed", "np.savetxt", "OmegaConf.save", "FileLock", "filelock.FileLock"),
    *("torch.save", "save_file", "safetensors.torch.save_file", "gzip.open", "bz2.open", "lzma.open"),
}
METHODS = {"write_text", "write_bytes", "touch", "symlink_to", "hardlink_to", "rename", "tofile", "to_csv", "to_json"}
HARMLESS = {  # the last one reads
    "os.open(os.devnull, os.O_WRONLY)",
    "os.open(part, flags, dir_fd=place)",
}


def writes(call: ast.Call) -> bool:
    name, method = ast.unparse(call.func), getattr(call.func, "attr", "")
    if name == "open" or method == "open":
        mode = [*call.args[method != "open" :], *(token.value for token in call.keywords if token.arg == "mode")][:1]
        said = mode[0].value if mode and isinstance(mode[0], ast.Constant) else "r"
        return name in WRITES or (isinstance(said, str) and bool(set("wax+") & set(said)))
    moves = method == "replace" and len(call.args) == 1 and not call.keywords  # a text's has two
    return name in WRITES or method in METHODS or moves


def test_one_module_alone_writes_files():
    for module in MODULES.keys() - {"textgan_lit.run.files"}:
        calls = (node for node in ast.walk(TREES[module]) if isinstance(node, ast.Call))
        said = [ast.unparse(call) for call in calls if writes(call)]
        assert not set(said) - HARMLESS, f"{module} writes past files.py: {said}"


@pytest.mark.parametrize(
    "line",
    [
        *('open("x", "w")', 'open("x", mode="ab")', 'path.open("a")', 'path.open("r+b")', 'path.open(mode="x")'),
        *('path.write_text("")', "os.open(path, os.O_RDWR)", "part.replace(path)", "OmegaConf.save(c, path)"),
        "FileLock(path)",
    ],
)
def test_what_writes_is_seen(line):
    assert writes(ast.parse(line).body[0].value)


@pytest.mark.parametrize("line", ['open("x")', 'open("x", "rb")', 'path.open(newline="")', 'text.replace("a", "b")'])
def test_what_reads_is_not(line):
    assert not writes(ast.parse(line).body[0].value)


# What reads a file, and who may: for what lies in a run's folder there is textgan_lit.run.untrusted.
READS = re.compile(
    r"json\.loads?|yaml\.\w*load\w*|OmegaConf\.load|csv\.(reader|DictReader)|open|(?!os\.).*\.(read_text|read_bytes|open)"
)
READERS = {
    "run.untrusted": "this is it",
    "run.files": "what it has just made",
    "callbacks.recovery": "a state, to copy it",
    "run.packing": "the text of a state, of which the digest was taken",
    "data": "the user's own data, and what is prepared of it",
    "tokenizer": "the user's own tokenizer",
    "model.hugging_face": "the user's own models",
    "commands.input": "the user's own sentences",
    "build.trust": "conf/",
    "run.process": "what the kernel says of processes",
    "run.provenance": "the commit of its own checkout, and what the kernel says of processors",
    "report.page": "its own script and style",
}


def named(module: str) -> dict[str, ast.Call | None]:
    """What a module calls, with its last call; and what it takes from others, by its full name."""
    taken = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.ImportFrom)]
    called = {ast.unparse(node.func): node for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)}
    return {f"{node.module}.{alias.name}": None for node in taken for alias in node.names} | called


def test_a_file_of_a_run_is_read_as_plain_data():
    for module in MODULES:
        name = module.removeprefix("textgan_lit.")
        if not any(name == reader or name.startswith(f"{reader}.") for reader in READERS):
            reading = sorted(filter(READS.fullmatch, named(module)))
            assert not reading, f"{module} reads files by {', '.join(reading)}"


def test_a_terminal_is_reached_through_one_room():
    for module in MODULES.keys() - {"textgan_lit.run.terminal"}:
        found = named(module)
        beside = {name for name in found if re.fullmatch(r"(.*\.)?(Console|get_console)|sys\.__std\w+__\.\w+", name)}
        for name in {"Progress", "track"} & found.keys():
            beside |= {name} - {name for token in found[name].keywords if token.arg == "console"}
        assert not beside, f"{module} speaks past textgan_lit.run.terminal by {', '.join(sorted(beside))}"


def test_a_class_is_abstract_or_final():
    """What inherits from a class of the house is an interface or a finished thing; nothing inherits from the latter."""
    classes = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]

    def is_final(node: ast.ClassDef) -> bool:
        return any(ast.unparse(decorator).split(".")[-1] == "final" for decorator in node.decorator_list)

    ours, final = {node.name for node in classes}, {node.name for node in classes if is_final(node)}
    for node in classes:
        bases = {ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases}
        assert not bases & final, f"{node.name} inherits from {bases & final}, which is final"
        if bases & ours and "ABC" not in bases:
            assert node.name in final, f"{node.name} is neither abstract nor final"
