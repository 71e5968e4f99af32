//! A program so small that it needs nothing: no shell, no C library, no compiler, no registry.
//!
//! To see whether a container really runs under gVisor something must run inside it and say which
//! kernel it sees. An image needs a static program of the machine's own kind; this module writes
//! one, an ELF file of one segment whose code calls `uname` and writes the answer as it is, six
//! fields of 65 bytes, to standard output.

/// The length of what the program writes: `struct utsname` of Linux.
pub(super) const ANSWER_BYTES: usize = 6 * FIELD_BYTES;
const FIELD_BYTES: usize = 65;

const HEADERS: usize = 64 + 56;
// Where the file is mapped; any free page of the lower address space does.
const BASE: u64 = 0x40_0000;

/// The program for this architecture (as Docker names it), or `None` where its code is not known.
pub(super) fn program(architecture: &str) -> Option<Vec<u8>> {
    let (machine, code): (u16, Vec<u8>) = match architecture {
        "amd64" | "x86_64" => (62, X86_64.to_vec()),
        "arm64" | "aarch64" => (183, AARCH64.iter().flat_map(|word| word.to_le_bytes()).collect()),
        _ => return None,
    };
    let size = (HEADERS + code.len()) as u64;
    let mut file = Vec::with_capacity(HEADERS + code.len());
    // Header: 64 bit, little endian, version 1, an executable for `machine`.
    file.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend_from_slice(&2_u16.to_le_bytes());
    file.extend_from_slice(&machine.to_le_bytes());
    file.extend_from_slice(&1_u32.to_le_bytes());
    file.extend_from_slice(&(BASE + HEADERS as u64).to_le_bytes()); // entry
    file.extend_from_slice(&64_u64.to_le_bytes()); // program headers begin here
    file.extend_from_slice(&0_u64.to_le_bytes()); // no section headers
    file.extend_from_slice(&0_u32.to_le_bytes()); // flags
    for half in [64_u16, 56, 1, 64, 0, 0] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    // The one segment: the whole file, to be read and executed.
    file.extend_from_slice(&1_u32.to_le_bytes());
    file.extend_from_slice(&5_u32.to_le_bytes());
    for word in [0, BASE, BASE, size, size, 0x1000] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&code);
    Some(file)
}

const X86_64: &[u8] = &[
    0x48, 0x81, 0xec, 0x90, 0x01, 0x00, 0x00, // sub  rsp, 400
    0x48, 0x89, 0xe7, //                         mov  rdi, rsp
    0xb8, 0x3f, 0x00, 0x00, 0x00, //             mov  eax, 63      uname(rsp)
    0x0f, 0x05, //                               syscall
    0xb8, 0x01, 0x00, 0x00, 0x00, //             mov  eax, 1
    0xbf, 0x01, 0x00, 0x00, 0x00, //             mov  edi, 1
    0x48, 0x89, 0xe6, //                         mov  rsi, rsp
    0xba, 0x86, 0x01, 0x00, 0x00, //             mov  edx, 390     write(1, rsp, 390)
    0x0f, 0x05, //                               syscall
    0xb8, 0x3c, 0x00, 0x00, 0x00, //             mov  eax, 60
    0x31, 0xff, //                               xor  edi, edi     exit(0)
    0x0f, 0x05, //                               syscall
];

const AARCH64: &[u32] = &[
    0xd106_43ff, // sub  sp, sp, #400
    0x9100_03e0, // mov  x0, sp
    0xd280_1408, // mov  x8, #160     uname(sp)
    0xd400_0001, // svc  #0
    0xd280_0020, // mov  x0, #1
    0x9100_03e1, // mov  x1, sp
    0xd280_30c2, // mov  x2, #390
    0xd280_0808, // mov  x8, #64      write(1, sp, 390)
    0xd400_0001, // svc  #0
    0xd280_0000, // mov  x0, #0
    0xd280_0ba8, // mov  x8, #93      exit(0)
    0xd400_0001, // svc  #0
];

/// The kernel release in what the program wrote.
pub(super) fn kernel_release(answer: &[u8]) -> Option<String> {
    if answer.len() != ANSWER_BYTES {
        return None;
    }
    let field = &answer[2 * FIELD_BYTES..3 * FIELD_BYTES];
    let end = field.iter().position(|&byte| byte == 0)?;
    let release = std::str::from_utf8(&field[..end]).ok()?;
    (!release.is_empty()).then(|| release.to_owned())
}

/// A root file system that holds the program alone, as `/probe`, packed as `docker import` reads
/// it.
pub(super) fn image(program: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    header.set_entry_type(tar::EntryType::Regular);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "probe", program)?;
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Runs the very bytes that `doctor` puts into an image.
    #[test]
    fn the_program_tells_the_kernel_it_runs_on() {
        use std::os::unix::fs::PermissionsExt;
        let Some(program) = program(std::env::consts::ARCH) else { return };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("probe");
        std::fs::write(&path, program).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let output = std::process::Command::new(&path).output().unwrap();
        assert!(output.status.success());
        let real = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(kernel_release(&output.stdout).as_deref(), Some(real.trim()));
    }

    #[test]
    fn both_programs_are_whole() {
        for architecture in ["amd64", "arm64"] {
            let program = program(architecture).unwrap();
            assert_eq!(&program[..4], b"\x7fELF");
            let size = u64::from_le_bytes(program[96..104].try_into().unwrap());
            assert_eq!(size, program.len() as u64, "{architecture}");
        }
        assert_eq!(program("riscv64"), None);
    }

    #[test]
    fn other_answers_are_no_kernel() {
        assert_eq!(kernel_release(b"hello"), None);
        assert_eq!(kernel_release(&[0; ANSWER_BYTES]), None);
        assert_eq!(kernel_release(&[b'x'; ANSWER_BYTES]), None);
    }
}
