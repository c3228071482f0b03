#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_io(const fs::path& file, const char* action) {
  const int error = errno;
  const ErrorCode code = error == ENOENT ? ErrorCode::NotFound : ErrorCode::Io;
  fail(code, "file {}: cannot {}: {}", file.string(), action, std::strerror(error));
}

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

size_t regular_size(int descriptor, const fs::path& file) {
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) fail_io(file, "read its size");
  if (S_ISDIR(info.st_mode)) fail(ErrorCode::InvalidArgument, "file {}: is a folder, want a file", file.string());
  if (!S_ISREG(info.st_mode)) fail(ErrorCode::InvalidArgument, "file {}: is not a regular file", file.string());
  return static_cast<size_t>(info.st_size);
}

}  // namespace

std::string read_file(const fs::path& file) {
  const Descriptor descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (descriptor.value < 0) fail_io(file, "open");
  std::string bytes(regular_size(descriptor.value, file), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(descriptor.value, bytes.data() + done, bytes.size() - done);
    if (got < 0) fail_io(file, "read");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

void write_file(const fs::path& file, std::string_view bytes) {
  AtomicFile out(file);
  out.write(bytes.data(), bytes.size());
  out.commit();
}

AtomicFile::AtomicFile(fs::path file) : file_(std::move(file)) {
  temporary_ = file_;
  temporary_ += format(".partial-{}", ::getpid());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_io(file_, "create");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* bytes, size_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t put = ::write(descriptor_, next, count);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_io(file_, "write");
    next += put;
    count -= static_cast<size_t>(put);
  }
}

void AtomicFile::commit() {
  const int descriptor = descriptor_;
  if (::close(descriptor) != 0) fail_io(file_, "write");
  descriptor_ = -1;
  if (::rename(temporary_.c_str(), file_.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    errno = error;
    fail_io(file_, "rename the finished file to this name");
  }
}

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& file) {
  const Descriptor descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (descriptor.value < 0) fail_io(file, "open");
  std::shared_ptr<MappedFile> mapped(new MappedFile());
  mapped->path_ = file;
  mapped->size_ = regular_size(descriptor.value, file);
  if (mapped->size_ == 0) return mapped;
  void* data = ::mmap(nullptr, mapped->size_, PROT_READ, MAP_PRIVATE, descriptor.value, 0);
  if (data == MAP_FAILED) fail_io(file, "map");
  mapped->data_ = static_cast<const std::byte*>(data);
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::drop_pages(const void* begin, size_t count) const {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(begin) + count) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace nibble
