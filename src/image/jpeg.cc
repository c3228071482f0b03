// The one place that uses libjpeg. Decoding keeps its defaults (accurate integer transform, fancy upsampling), which are
// Pillow's. Errors come by longjmp; see png.cc.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <jpeglib.h>
#include <jerror.h>

#include "base/error.h"
#include "image/formats.h"

namespace nibble {
namespace {

constexpr int kMaxScans = 200;  // a progressive file may repeat scans at the cost of minutes
constexpr int64_t kMaxPixelsPerByte = 64 * 64;  // a block of 64 takes one bit, or less with arithmetic coding
constexpr std::string_view kExifMark("Exif\0\0", 6);

struct JpegStream {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  jmp_buf jump;
  std::string_view input;
  Image image;
  char message[JMSG_LENGTH_MAX] = "";
};

JpegStream& stream_of(j_common_ptr jpeg) { return *static_cast<JpegStream*>(jpeg->client_data); }

[[noreturn]] void on_error(j_common_ptr jpeg) {
  JpegStream& stream = stream_of(jpeg);
  jpeg->err->format_message(jpeg, stream.message);
  longjmp(stream.jump, 1);
}

// Warnings about data that ends early become errors; others do not matter.
void on_message(j_common_ptr jpeg, int level) {
  if (level < 0 && (jpeg->err->msg_code == JWRN_JPEG_EOF || jpeg->err->msg_code == JWRN_HIT_MARKER)) on_error(jpeg);
}

void on_progress(j_common_ptr jpeg) {
  if (stream_of(jpeg).jpeg.input_scan_number > kMaxScans) {
    std::strncpy(stream_of(jpeg).message, "too many scans", JMSG_LENGTH_MAX - 1);
    longjmp(stream_of(jpeg).jump, 1);
  }
}

bool guarded(JpegStream& stream, void (*body)(JpegStream&)) {
  if (setjmp(stream.jump)) return false;
  body(stream);
  return true;
}

void read_header(JpegStream& stream) {
  jpeg_create_decompress(&stream.jpeg);
  stream.progress.progress_monitor = on_progress;
  stream.jpeg.progress = &stream.progress;
  jpeg_save_markers(&stream.jpeg, JPEG_APP0 + 1, 0xFFFF);
  jpeg_mem_src(&stream.jpeg, reinterpret_cast<const unsigned char*>(stream.input.data()), stream.input.size());
  jpeg_read_header(&stream.jpeg, TRUE);
  const bool is_cmyk = stream.jpeg.num_components == 4;
  if (is_cmyk) stream.jpeg.out_color_space = JCS_CMYK;
  if (stream.jpeg.num_components == 3) stream.jpeg.out_color_space = JCS_RGB;
}

void read_pixels(JpegStream& stream) {
  jpeg_start_decompress(&stream.jpeg);
  while (stream.jpeg.output_scanline < stream.jpeg.output_height) {
    JSAMPROW row = stream.image.row(stream.jpeg.output_scanline);
    jpeg_read_scanlines(&stream.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&stream.jpeg);
}

// a * b / 255, rounded
int multiply_255(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Adobe's files store 255 - ink.
Image rgb_of_cmyk(const Image& cmyk, bool inverted) {
  Image rgb(cmyk.width, cmyk.height, 3);
  const uint8_t* from = cmyk.pixels.data();
  for (auto to = rgb.pixels.begin(); to != rgb.pixels.end(); from += 4) {
    const int white = inverted ? from[3] : 255 - from[3];
    for (int c = 0; c < 3; ++c) {
      const int ink = inverted ? 255 - from[c] : from[c];
      *to++ = static_cast<uint8_t>(std::clamp(white - multiply_255(ink, white), 0, 255));
    }
  }
  return rgb;
}

class JpegReader {
 public:
  JpegReader(std::string_view bytes, const std::string& what) : what_(what), bytes_(static_cast<int64_t>(bytes.size())) {
    stream_.input = bytes;
    stream_.jpeg.err = jpeg_std_error(&stream_.errors);
    stream_.jpeg.client_data = &stream_;
    stream_.errors.error_exit = on_error;
    stream_.errors.emit_message = on_message;
  }
  ~JpegReader() { jpeg_destroy_decompress(&stream_.jpeg); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  DecodedImage read() {
    run(read_header);
    const jpeg_decompress_struct& jpeg = stream_.jpeg;
    check_image_size(jpeg.image_width, jpeg.image_height, what_);
    if (static_cast<int64_t>(jpeg.image_width) * jpeg.image_height / kMaxPixelsPerByte > bytes_) {
      fail(ErrorCode::Corrupt, "{}: damaged JPEG: {} bytes cannot hold {}x{} pixels", what_, bytes_, jpeg.image_width,
           jpeg.image_height);
    }
    if (jpeg.num_components != 1 && jpeg.num_components != 3 && jpeg.num_components != 4) {
      fail(ErrorCode::Unsupported, "{}: JPEG with {} components; convert it to RGB first", what_, jpeg.num_components);
    }
    const int orientation = find_orientation();
    stream_.image = Image(jpeg.image_width, jpeg.image_height, jpeg.num_components);
    run(read_pixels);
    if (jpeg.num_components == 4) stream_.image = rgb_of_cmyk(stream_.image, jpeg.saw_Adobe_marker);
    return {std::move(stream_.image), {}, orientation};
  }

 private:
  void run(void (*body)(JpegStream&)) {
    if (!guarded(stream_, body)) fail(ErrorCode::Corrupt, "{}: damaged JPEG: {}", what_, stream_.message);
  }

  int find_orientation() const {
    for (jpeg_saved_marker_ptr marker = stream_.jpeg.marker_list; marker; marker = marker->next) {
      std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (!data.starts_with(kExifMark)) continue;
      data.remove_prefix(kExifMark.size());
      return exif_orientation(data);
    }
    return 1;
  }

  JpegStream stream_;
  const std::string& what_;
  int64_t bytes_;
};

}  // namespace

bool is_jpeg(std::string_view bytes) { return bytes.starts_with("\xFF\xD8\xFF"); }

DecodedImage decode_jpeg(std::string_view bytes, const std::string& what) { return JpegReader(bytes, what).read(); }

}  // namespace nibble
