// The one place that uses libpng. It reports errors by longjmp, so every group of its calls runs in a function without
// locals that need a destructor (see guarded); strings and vectors live outside.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "image/formats.h"

namespace nibble {
namespace {

constexpr size_t kMaxChunkBytes = 16 << 20;
constexpr png_uint_32 kMaxChunks = 1000;
constexpr int64_t kMaxInflation = 1100;  // deflate cannot expand further

struct PngStream {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string_view input;  // what is still to be read
  std::string output;
  std::vector<png_bytep> rows;
  std::vector<png_text> texts;
  char message[128] = "";
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* stream = static_cast<PngStream*>(png_get_error_ptr(png));
  std::strncpy(stream->message, message, sizeof stream->message - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

// False if libpng reported an error; stream.message says which.
bool guarded(PngStream& stream, void (*body)(PngStream&)) {
  if (setjmp(png_jmpbuf(stream.png))) return false;
  body(stream);
  return true;
}

void read_bytes(png_structp png, png_bytep out, size_t count) {
  auto* stream = static_cast<PngStream*>(png_get_io_ptr(png));
  if (count > stream->input.size()) png_error(png, "the file is truncated");
  std::memcpy(out, stream->input.data(), count);
  stream->input.remove_prefix(count);
}

void read_header(PngStream& stream) {
  png_set_read_fn(stream.png, &stream, read_bytes);
  png_set_user_limits(stream.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_chunk_malloc_max(stream.png, kMaxChunkBytes);
  png_set_chunk_cache_max(stream.png, kMaxChunks);
  png_read_info(stream.png, stream.info);
  png_set_expand(stream.png);
  png_set_strip_16(stream.png);
  png_set_interlace_handling(stream.png);
  // Grey with alpha becomes RGBA; plain grey stays.
  if ((png_get_color_type(stream.png, stream.info) == PNG_COLOR_TYPE_GRAY && png_get_valid(stream.png, stream.info, PNG_INFO_tRNS)) ||
      png_get_color_type(stream.png, stream.info) == PNG_COLOR_TYPE_GRAY_ALPHA) {
    png_set_gray_to_rgb(stream.png);
  }
}

void update_info(PngStream& stream) { png_read_update_info(stream.png, stream.info); }

void read_pixels(PngStream& stream) {
  png_read_image(stream.png, stream.rows.data());
  png_read_end(stream.png, stream.info);
}

std::string utf8_of_latin1(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xC0 | byte >> 6));
      out.push_back(static_cast<char>(0x80 | (byte & 0x3F)));
    }
  }
  return out;
}

// nullopt if a character is beyond Latin-1, or is NUL, or the text is not UTF-8.
std::optional<std::string> latin1_of_utf8(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte == 0) return std::nullopt;
    if (byte < 0x80) {
      out.push_back(text[i]);
      continue;
    }
    const bool two = (byte == 0xC2 || byte == 0xC3) && i + 1 < text.size() && (text[i + 1] & 0xC0) == 0x80;
    if (!two) return std::nullopt;
    out.push_back(static_cast<char>(byte << 6 | (text[++i] & 0x3F)));
  }
  return out;
}

class PngReader {
 public:
  PngReader(std::string_view bytes, const std::string& what) : what_(what), bytes_(static_cast<int64_t>(bytes.size())) {
    stream_.input = bytes;
    stream_.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &stream_, on_error, on_warning);
    stream_.info = stream_.png ? png_create_info_struct(stream_.png) : nullptr;
    if (!stream_.info) fail(ErrorCode::OutOfMemory, "{}: no memory for the PNG reader", what);
  }
  ~PngReader() { png_destroy_read_struct(&stream_.png, &stream_.info, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  DecodedImage read() {
    run(read_header);
    check_size();
    run(update_info);
    DecodedImage decoded;
    decoded.image = Image(png_get_image_width(stream_.png, stream_.info), png_get_image_height(stream_.png, stream_.info),
                          png_get_channels(stream_.png, stream_.info));
    Image& image = decoded.image;
    NIBBLE_CHECK(png_get_rowbytes(stream_.png, stream_.info) == static_cast<size_t>(image.width * image.channels));
    for (int64_t y = 0; y < image.height; ++y) stream_.rows.push_back(image.row(y));
    run(read_pixels);
    decoded.texts = texts();
    decoded.orientation = orientation();
    return decoded;
  }

 private:
  void run(void (*body)(PngStream&)) {
    if (!guarded(stream_, body)) fail(ErrorCode::Corrupt, "{}: damaged PNG: {}", what_, stream_.message);
  }

  void check_size() const {
    const int64_t width = png_get_image_width(stream_.png, stream_.info);
    const int64_t height = png_get_image_height(stream_.png, stream_.info);
    check_image_size(width, height, what_);
    const int64_t bits = png_get_bit_depth(stream_.png, stream_.info) * png_get_channels(stream_.png, stream_.info);
    if (width * height * bits / 8 / kMaxInflation > bytes_) {
      fail(ErrorCode::Corrupt, "{}: damaged PNG: {} bytes cannot hold {}x{} pixels", what_, bytes_, width, height);
    }
  }

  ImageTexts texts() const {
    ImageTexts out;
    png_textp text = nullptr;
    const int count = static_cast<int>(png_get_text(stream_.png, stream_.info, &text, nullptr));
    for (int i = 0; i < count; ++i) {
      const bool utf8 = text[i].compression >= PNG_ITXT_COMPRESSION_NONE;
      const size_t length = utf8 ? text[i].itxt_length : text[i].text_length;
      const std::string_view value = text[i].text ? std::string_view(text[i].text, length) : std::string_view();
      out.emplace(utf8_of_latin1(text[i].key), utf8 ? std::string(value) : utf8_of_latin1(value));
    }
    return out;
  }

  int orientation() const {
    png_bytep exif = nullptr;
    png_uint_32 count = 0;
    if (!png_get_eXIf_1(stream_.png, stream_.info, &count, &exif)) return 1;
    return exif_orientation({reinterpret_cast<const char*>(exif), count});
  }

  PngStream stream_;
  const std::string& what_;
  int64_t bytes_;
};

void write_bytes(png_structp png, png_bytep bytes, size_t count) {
  auto* stream = static_cast<PngStream*>(png_get_io_ptr(png));
  stream->output.append(reinterpret_cast<const char*>(bytes), count);
}

void flush_nothing(png_structp) {}

void write_all(PngStream& stream) {
  if (!stream.texts.empty()) {
    png_set_text(stream.png, stream.info, stream.texts.data(), static_cast<int>(stream.texts.size()));
  }
  png_write_info(stream.png, stream.info);
  png_write_image(stream.png, stream.rows.data());
  png_write_end(stream.png, stream.info);
}

struct PngWriter : PngStream {
  PngWriter() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, static_cast<PngStream*>(this), on_error, on_warning);
    info = png ? png_create_info_struct(png) : nullptr;
    if (!info) fail(ErrorCode::OutOfMemory, "picture to write: no memory for the PNG writer");
  }
  ~PngWriter() { png_destroy_write_struct(&png, &info); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;
};

bool is_keyword(std::string_view key) {
  return !key.empty() && key.size() <= 79 && key.front() != ' ' && key.back() != ' ' &&
         std::all_of(key.begin(), key.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

bool is_png(std::string_view bytes) {
  return bytes.size() >= 8 && png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) == 0;
}

DecodedImage decode_png(std::string_view bytes, const std::string& what) { return PngReader(bytes, what).read(); }

std::string encode_png(const Image& image, const ImageTexts& texts) {
  NIBBLE_CHECK(image.width > 0 && image.height > 0 && image.channels != 2);
  PngWriter writer;
  std::vector<std::string> values;  // outlive the chunks that point to them
  values.reserve(texts.size());
  for (const auto& [key, value] : texts) {
    NIBBLE_CHECK(is_keyword(key), "PNG keyword \"{}\"", key);
    const std::optional<std::string> latin1 = latin1_of_utf8(value);
    values.push_back(latin1.value_or(value));
    png_text text{};
    text.compression = latin1 ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    text.key = const_cast<char*>(key.c_str());
    text.text = values.back().data();
    (latin1 ? text.text_length : text.itxt_length) = values.back().size();
    writer.texts.push_back(text);
  }
  for (int64_t y = 0; y < image.height; ++y) writer.rows.push_back(const_cast<png_bytep>(image.row(y)));
  const int color = image.channels == 1 ? PNG_COLOR_TYPE_GRAY : image.channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGB_ALPHA;
  png_set_write_fn(writer.png, static_cast<PngStream*>(&writer), write_bytes, flush_nothing);
  png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
               color, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!guarded(writer, write_all)) fail(ErrorCode::Internal, "picture to write: {}", writer.message);
  return std::move(writer.output);
}

}  // namespace nibble
