// NumPy's .npy: magic, version, header length, a Python dict literal {'descr', 'fortran_order', 'shape'}, the data.
#include <charconv>

#include "base/error.h"
#include "formats/weight_table.h"

namespace nibble {
namespace {

struct NpyType {
  const char* descr;
  DType dtype;
};
constexpr NpyType kNpyTypes[] = {{"<f4", DType::F32}, {"<f2", DType::F16}, {"<f8", DType::F64},
                                 {"<i8", DType::I64}, {"<i4", DType::I32}, {"<i2", DType::I16},
                                 {"|i1", DType::I8},  {"|u1", DType::U8},  {"|b1", DType::Bool}};

std::string_view strip(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \n\t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \n\t") - begin + 1);
}

class HeaderText {
 public:
  HeaderText(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {}

  // The text after 'key': up to `end`, or to the closing quote or parenthesis.
  std::string_view value(std::string_view key) const {
    const std::string quoted = format("'{}'", key);
    const size_t at = text_.find(quoted);
    if (at == std::string_view::npos || text_.find(quoted, at + 1) != std::string_view::npos)
      bad(format("want '{}' once", key));
    const std::string_view rest = strip(text_.substr(at + quoted.size()));
    if (!rest.starts_with(":")) bad(format("want a colon after '{}'", key));
    const std::string_view from = strip(rest.substr(1));
    const char close = from.starts_with("'") ? '\'' : from.starts_with("(") ? ')' : ',';
    const size_t end = from.find_first_of(close == ',' ? std::string_view(",}") : std::string_view(&close, 1), 1);
    if (end == std::string_view::npos) bad(format("the value of '{}' has no end", key));
    return close == ',' ? strip(from.substr(0, end)) : from.substr(0, end + 1);
  }

  std::vector<int64_t> dims() const {
    std::string_view text = value("shape");
    if (!text.starts_with("(")) bad("want a tuple as shape");
    text = text.substr(1, text.size() - 2);
    std::vector<int64_t> out;
    while (!strip(text).empty()) {
      const size_t comma = std::min(text.find(','), text.size());
      const std::string_view digits = strip(text.substr(0, comma));
      int64_t dim = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), dim);
      if (error != std::errc() || end != digits.data() + digits.size()) bad("a dimension is not a number of 64 bits");
      out.push_back(dim);
      text = text.substr(std::min(comma + 1, text.size()));
    }
    return out;
  }

  [[noreturn]] void bad(const std::string& what) const {
    fail(ErrorCode::Corrupt, "file {}: npy header: {}; write it again with numpy.save", file_, what);
  }

 private:
  std::string_view text_;
  std::string file_;
};

DType dtype_of(std::string_view descr, const std::string& file) {
  for (const NpyType& type : kNpyTypes)
    if (descr == format("'{}'", type.descr)) return type.dtype;
  fail(ErrorCode::Unsupported, "file {}: npy dtype {} is not supported; want a little-endian float or integer", file,
       descr.substr(0, 60));
}

}  // namespace

NpyLayout read_npy_layout(std::span<const std::byte> bytes, const std::string& name) {
  const auto byte = [&](size_t i) { return std::to_integer<size_t>(bytes[i]); };
  const size_t prefix = bytes.size() > 6 && byte(6) == 1 ? 10 : 12;
  if (bytes.size() < prefix)
    fail(ErrorCode::Corrupt, "file {}: truncated npy of {} bytes; download it again", name, bytes.size());
  if (byte(6) < 1 || byte(6) > 3) fail(ErrorCode::Unsupported, "file {}: npy version {}, want 1 to 3", name, byte(6));
  const size_t length =
      prefix == 10 ? byte(8) | byte(9) << 8 : byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24;
  constexpr size_t kMaxHeader = 65536;
  if (length > kMaxHeader || length > bytes.size() - prefix)
    fail(ErrorCode::Corrupt, "file {}: npy header of {} bytes, the file has {}; download it again", name, length,
         bytes.size());
  const HeaderText header({reinterpret_cast<const char*>(bytes.data()) + prefix, length}, name);

  const DType dtype = dtype_of(header.value("descr"), name);
  const std::string_view order = header.value("fortran_order");
  if (order != "True" && order != "False") header.bad("want fortran_order True or False");
  TensorInfo info{"array", dtype, checked_shape(header.dims(), dtype, format("file {}: array", name))};
  const size_t found = bytes.size() - prefix - length;
  if (found != info.bytes())
    fail(ErrorCode::Corrupt, "file {}: array {} {}: want {} bytes, found {}; download it again", name, to_string(dtype),
         to_string(info.shape), info.bytes(), found);

  NpyLayout layout{info, prefix + length, {}};
  if (order == "True" && info.shape.rank() > 1) {
    int64_t stride = 1;
    for (const int64_t dim : info.shape.dims()) {
      layout.strides.push_back(stride);
      stride *= dim;
    }
  }
  return layout;
}

WeightTable read_npy(FilePtr file) {
  const NpyLayout layout = read_npy_layout(file->bytes(), file->path().string());
  WeightTable table{.path = file->path(), .format = "npy"};
  table.tensors.push_back({layout.info, file->bytes().data() + layout.offset, layout.strides, file});
  return table;
}

}  // namespace nibble
