#include "formats/npz.h"

#include <cstring>

#include "base/check.h"
#include "base/inflate.h"
#include "formats/weight_table.h"
#include "formats/zip.h"

namespace nibble {
namespace {

constexpr uint64_t kLargestArray = uint64_t{128} << 20;  // of a packed array; FID statistics have 34 MB
constexpr size_t kAlign = 64;

Tensor tensor_of(std::span<const std::byte> bytes, const std::string& what) {
  const NpyLayout layout = read_npy_layout(bytes, what);
  Tensor tensor = Tensor::zeros(layout.info.dtype, layout.info.shape);
  const size_t item = bytes_of(layout.info.dtype);
  const std::byte* from = bytes.data() + layout.offset;
  std::byte* to = static_cast<std::byte*>(tensor.mutable_data());
  if (layout.strides.empty()) {
    if (tensor.bytes() > 0) std::memcpy(to, from, tensor.bytes());
    return tensor;
  }
  const int rank = layout.info.shape.rank();
  std::vector<int64_t> at(static_cast<size_t>(rank));
  for (int64_t i = 0; i < tensor.count(); ++i, to += item) {
    int64_t source = 0;
    for (int d = 0; d < rank; ++d) source += at[static_cast<size_t>(d)] * layout.strides[static_cast<size_t>(d)];
    std::memcpy(to, from + static_cast<size_t>(source) * item, item);
    for (int d = rank; d-- > 0 && ++at[static_cast<size_t>(d)] == layout.info.shape[d];) at[static_cast<size_t>(d)] = 0;
  }
  return tensor;
}

const char* descr_of(DType dtype) {
  switch (dtype) {
    case DType::F64:
      return "<f8";
    case DType::F32:
      return "<f4";
    case DType::I64:
      return "<i8";
    case DType::I32:
      return "<i4";
    default:
      NIBBLE_CHECK(false, "npz of {}", to_string(dtype));
  }
}

std::string npy_of(const Tensor& tensor) {
  std::string shape;
  for (const int64_t dim : tensor.shape().dims())
    shape += std::to_string(dim) + (tensor.shape().rank() == 1 ? "," : ", ");
  if (tensor.shape().rank() > 1) shape.resize(shape.size() - 2);
  std::string header =
      format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr_of(tensor.dtype()), shape);
  constexpr size_t kPrefix = 10;
  header.append(kAlign - 1 - (kPrefix + header.size()) % kAlign, ' ').append("\n");
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(header.size() & 255);
  out += static_cast<char>(header.size() >> 8);
  return out.append(header).append(static_cast<const char*>(tensor.data()), tensor.bytes());
}

void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i, value >>= 8) out += static_cast<char>(value & 255);
}

// What the local header and the directory share, from the version needed on. The time is 1980-01-01.
std::string description(std::string_view name, std::string_view npy) {
  std::string out;
  put(out, 20, 2), put(out, 0, 2), put(out, 0, 2), put(out, 0, 2), put(out, 0x21, 2);
  put(out, crc32_of(std::as_bytes(std::span(npy))), 4), put(out, npy.size(), 4), put(out, npy.size(), 4);
  put(out, name.size(), 2), put(out, 0, 2);
  return out;
}

}  // namespace

std::map<std::string, Tensor> read_npz(const std::filesystem::path& path) {
  const FilePtr file = MappedFile::open(path);
  const std::string what = "file " + path.string();
  std::map<std::string, Tensor> arrays;
  for (const auto& [entry, member] : read_zip(file->bytes(), what)) {
    if (!entry.ends_with(".npy")) continue;
    const std::string name = entry.substr(0, entry.size() - 4), where = path.string() + ": " + entry;
    if (member.method == ZipMethod::Stored) {
      arrays.emplace(name, tensor_of(member.stored, where));
      continue;
    }
    if (member.size > kLargestArray)
      fail(ErrorCode::Corrupt, "{}: array {} of {} bytes, want at most {}", what, name, member.size, kLargestArray);
    const std::string bytes =
        inflate_bytes(member.stored, Deflated::Raw, static_cast<size_t>(member.size), what + ": " + entry);
    arrays.emplace(name, tensor_of(std::as_bytes(std::span(bytes)), where));
  }
  return arrays;
}

void write_npz(const std::filesystem::path& path, const std::vector<std::pair<std::string, Tensor>>& arrays) {
  AtomicFile file(path);
  std::string directory;
  size_t at = 0;
  const auto write = [&](std::string_view bytes) {
    file.write(bytes.data(), bytes.size());
    at += bytes.size();
  };
  for (const auto& [array, tensor] : arrays) {
    const std::string npy = npy_of(tensor), name = array + ".npy", about = description(name, npy);
    NIBBLE_CHECK(at + npy.size() < UINT32_MAX, "npz of more than 4 GB");
    directory += "PK\x01\x02";
    put(directory, 20, 2);
    directory += about;
    put(directory, 0, 2 + 2 + 2 + 4), put(directory, at, 4);
    directory += name;
    write("PK\x03\x04" + about + name);
    write(npy);
  }
  const size_t begin = at;
  std::string end("PK\x05\x06");
  put(end, 0, 4), put(end, arrays.size(), 2), put(end, arrays.size(), 2), put(end, directory.size(), 4),
      put(end, begin, 4), put(end, 0, 2);
  write(directory);
  write(end);
  file.commit();
}

}  // namespace nibble
