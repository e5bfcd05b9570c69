/* Transposes of int32 with AVX2, for the paths that have it: included under their target. */
#define RBMK_OWN_TRANSPOSE

/* 8 x 8 in registers: pairs, then quadruples, then halves. */
static inline void transpose_8x8(const int32_t *tile, int ld, int32_t *out, int ld_out)
{
    __m256i r[8], s[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_si256((const __m256i *)(tile + i * ld));
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_unpacklo_epi64(s[i], s[i + 2]);
        r[i + 1] = _mm256_unpackhi_epi64(s[i], s[i + 2]);
        r[i + 2] = _mm256_unpacklo_epi64(s[i + 1], s[i + 3]);
        r[i + 3] = _mm256_unpackhi_epi64(s[i + 1], s[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_si256((__m256i *)(out + i * ld_out), _mm256_permute2x128_si256(r[i], r[i + 4], 0x20));
        _mm256_storeu_si256((__m256i *)(out + (i + 4) * ld_out), _mm256_permute2x128_si256(r[i], r[i + 4], 0x31));
    }
}

static inline void transpose(const int32_t *tile, int ld, int n_rows, int n_cols, int32_t *out, int ld_out)
{
    int whole_rows = n_rows / 8 * 8, whole_cols = n_cols / 8 * 8;
    for (int r = 0; r < whole_rows; r += 8)
        for (int c = 0; c < whole_cols; c += 8)
            transpose_8x8(tile + r * ld + c, ld, out + c * ld_out + r, ld_out);
    for (int r = 0; r < n_rows; r++)
        for (int c = r < whole_rows ? whole_cols : 0; c < n_cols; c++)
            out[c * ld_out + r] = tile[r * ld + c];
}
