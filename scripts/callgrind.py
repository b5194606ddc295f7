"""What scripts/instructions and scripts/costs share: replays whose instructions valgrind counts."""
import argparse, gzip, os, re, struct, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def arguments(description):
    """A parser of arguments that knows which binary is to be counted."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flowhawk", help="binary to count instead of building one")
    return parser


def binary(args):
    """The binary that the arguments name, or one that is built now."""
    if args.flowhawk:
        return os.path.abspath(args.flowhawk)
    subprocess.check_call(["cargo", "build", "--quiet", "--release", "--locked", "--bin", "flowhawk"], cwd=ROOT)
    return f"{ROOT}/target/release/flowhawk"


def capture(name):
    """The bytes of a capture of captures/, without compression."""
    path = f"{ROOT}/captures/{name}.pcap"
    with gzip.open(f"{path}.gz") if os.path.exists(f"{path}.gz") else open(path, "rb") as file:
        return file.read()


def packets(data):
    """Number of records in a capture of the classic format, little endian."""
    count, place = 0, 24
    while place < len(data):
        place += 16 + struct.unpack_from("<I", data, place + 8)[0]
        count += 1
    return count


def instructions(flowhawk, captures, directory, name):
    """Instructions of a replay of captures' bytes with one thread, and where they were counted."""
    counted, files = f"{directory}/{name}.callgrind", []
    for number, data in enumerate(captures):
        files.append(f"{directory}/{name}-{number}.pcap")
        with open(files[-1], "wb") as file:
            file.write(data)
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counted}", flowhawk, "replay", "--quiet",
               "--threads", "1", "--out", f"{directory}/{name}", *files]
    told = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    found = re.search(r"Collected\s*:\s*(\d+)", told)
    if not found:
        sys.exit(f"{os.path.basename(sys.argv[0])}: valgrind counted nothing\n{told}")
    return int(found[1]), counted
