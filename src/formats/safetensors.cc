// safetensors: 8 bytes header length, a JSON header {name: {dtype, shape, data_offsets}}, then the data without holes.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "formats/weight_table.h"

namespace nibble {
namespace {

constexpr size_t kMaxHeader = 64'000'000;

struct Row {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<uint64_t> offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

// Reads the header event by event, so that a hostile one never becomes a tree in memory, and duplicates are seen.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(std::string file) : file_(std::move(file)) {}

  std::vector<Row> rows;
  Metadata metadata;

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("true or false"); }
  bool number_float(double, const std::string& text) override { return refuse(text); }
  bool binary(binary_t&) override { return refuse("binary"); }
  bool number_integer(int64_t value) override { return refuse(std::to_string(value)); }

  bool number_unsigned(uint64_t value) override {
    if (where_ == Where::Shape) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return refuse(std::to_string(value));
      rows.back().shape.push_back(static_cast<int64_t>(value));
      if (rows.back().shape.size() > 64) bad("shape has more than 64 dimensions");
      return true;
    }
    if (where_ == Where::Offsets) {
      rows.back().offsets.push_back(value);
      if (rows.back().offsets.size() > 2) bad("data_offsets holds more than two numbers");
      return true;
    }
    return refuse(std::to_string(value));
  }

  bool string(std::string& value) override {
    if (where_ == Where::Metadata) {
      if (!metadata.emplace(key_, std::move(value)).second) bad(format("__metadata__ key {} appears twice", key_));
      return true;
    }
    if (where_ == Where::Tensor && key_ == "dtype") {
      once(rows.back().has_dtype);
      rows.back().dtype = std::move(value);
      return true;
    }
    return refuse(format("\"{}\"", value.substr(0, 40)));
  }

  bool start_object(size_t) override {
    switch (where_) {
      case Where::Start:
        where_ = Where::Top;
        return true;
      case Where::Top:
        if (key_ == "__metadata__") {
          if (metadata_seen_) bad("__metadata__ appears twice");
          metadata_seen_ = true;
          where_ = Where::Metadata;
          return true;
        }
        if (rows.size() >= kMaxTensors) bad(format("holds more than {} tensors", kMaxTensors));
        rows.push_back({.name = std::move(key_)});
        where_ = Where::Tensor;
        return true;
      default:
        return refuse("an object");
    }
  }

  bool end_object() override {
    where_ = where_ == Where::Top ? Where::End : Where::Top;
    return true;
  }

  bool start_array(size_t) override {
    if (where_ != Where::Tensor) return refuse("a list");
    if (key_ == "shape") {
      once(rows.back().has_shape);
      where_ = Where::Shape;
    } else if (key_ == "data_offsets") {
      once(rows.back().has_offsets);
      where_ = Where::Offsets;
    } else {
      return refuse("a list");
    }
    return true;
  }

  bool end_array() override {
    where_ = Where::Tensor;
    return true;
  }

  bool key(std::string& value) override {
    key_ = std::move(value);
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(ErrorCode::Corrupt, "file {}: safetensors header is not valid JSON at byte {}; download it again", file_,
         position);
  }

 private:
  enum class Where { Start, Top, Metadata, Tensor, Shape, Offsets, End };

  [[noreturn]] void bad(const std::string& what) const {
    const bool in_tensor = where_ == Where::Tensor || where_ == Where::Shape || where_ == Where::Offsets;
    if (in_tensor) fail(ErrorCode::Corrupt, "file {}: tensor {}: {}", file_, rows.back().name, what);
    fail(ErrorCode::Corrupt, "file {}: safetensors header: {}", file_, what);
  }
  bool refuse(const std::string& found) const {
    static constexpr const char* kWanted[] = {"an object",
                                              "an object per tensor",
                                              "only strings in __metadata__",
                                              "dtype, shape and data_offsets",
                                              "dimensions",
                                              "two offsets",
                                              "the end"};
    bad(format("want {}, found {}", kWanted[static_cast<int>(where_)], found));
  }
  void once(bool& seen) const {
    if (seen) bad(format("{} appears twice", key_));
    seen = true;
  }

  std::string file_;
  Where where_ = Where::Start;
  std::string key_;
  bool metadata_seen_ = false;
};

uint64_t header_length(const MappedFile& file) {
  const auto bytes = file.bytes();
  const std::string name = file.path().string();
  if (bytes.size() < 8)
    fail(ErrorCode::Corrupt, "file {}: truncated: want at least 8 bytes, found {}; download it again", name,
         bytes.size());
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | std::to_integer<uint64_t>(bytes[static_cast<size_t>(i)]);
  if (length > kMaxHeader)
    fail(ErrorCode::Corrupt, "file {}: not safetensors: header of {} bytes, want at most {}", name, length, kMaxHeader);
  if (length > bytes.size() - 8)
    fail(ErrorCode::Corrupt, "file {}: truncated: header wants {} bytes, the file has {}; download it again", name,
         length + 8, bytes.size());
  return length;
}

TensorInfo checked_info(Row& row, const std::string& file) {
  const std::string where = format("file {}: tensor {}", file, row.name);
  if (!row.has_dtype || !row.has_shape || row.offsets.size() != 2)
    fail(ErrorCode::Corrupt, "{}: want dtype, shape and two data_offsets", where);
  const std::optional<DType> dtype = dtype_from_safetensors(row.dtype);
  if (!dtype)
    fail(ErrorCode::Unsupported, "{}: dtype {} is not supported; want F32, F16, BF16, F64 or an integer type", where,
         row.dtype.substr(0, 40));
  const Shape shape = checked_shape(row.shape, *dtype, where);
  if (row.offsets[1] < row.offsets[0])
    fail(ErrorCode::Corrupt, "{}: data_offsets [{}, {}] run backwards", where, row.offsets[0], row.offsets[1]);
  TensorInfo info{std::move(row.name), *dtype, shape};
  if (row.offsets[1] - row.offsets[0] != info.bytes())
    fail(ErrorCode::Corrupt, "{}: {} {} wants {} bytes, data_offsets give {}", where, to_string(*dtype),
         to_string(shape), info.bytes(), row.offsets[1] - row.offsets[0]);
  return info;
}

}  // namespace

WeightTable read_safetensors(FilePtr file) {
  const std::string name = file->path().string();
  const uint64_t length = header_length(*file);
  const char* text = reinterpret_cast<const char*>(file->bytes().data()) + 8;
  HeaderReader reader(name);
  if (length == 0 || text[0] != '{')
    fail(ErrorCode::Corrupt, "file {}: safetensors header does not start with a brace; download it again", name);
  Json::sax_parse(text, text + length, &reader);

  std::sort(reader.rows.begin(), reader.rows.end(),
            [](const Row& a, const Row& b) { return std::tie(a.offsets, a.name) < std::tie(b.offsets, b.name); });
  WeightTable table{.path = file->path(), .format = "safetensors", .metadata = std::move(reader.metadata)};
  table.tensors.reserve(reader.rows.size());
  const std::byte* data = file->bytes().data() + 8 + length;
  const uint64_t available = file->bytes().size() - 8 - length;
  uint64_t end = 0;
  for (Row& row : reader.rows) {
    TensorInfo info = checked_info(row, name);
    if (row.offsets[0] != end)
      fail(ErrorCode::Corrupt, "file {}: tensor {}: starts at byte {} of the data, want {}: {}", name, info.name,
           row.offsets[0], end, row.offsets[0] < end ? "it overlaps another tensor" : "there is a hole before it");
    const std::byte* begin = data + std::min(end, available);
    end = row.offsets[1];
    if (info.name.starts_with(kPadTensorPrefix)) continue;
    table.tensors.push_back({std::move(info), begin, {}, file});
  }
  if (end > available)
    fail(ErrorCode::Corrupt, "file {}: truncated: want {} bytes, found {}; download it again", name, end + 8 + length,
         file->bytes().size());
  if (end < available)
    fail(ErrorCode::Corrupt, "file {}: {} bytes follow the last tensor: want {} bytes, found {}; download it again",
         name, available - end, end + 8 + length, file->bytes().size());
  return table;
}

}  // namespace nibble
