//! Signatures made once with a key that no longer exists, to prove at start that the crypto backend verifies each RSA algorithm
//! and nothing else. Used by `self_test` alone.

use jsonwebtoken::Algorithm;

/// What was signed.
pub(super) const MESSAGE: &[u8] = b"doorward self-test";
/// The public modulus, base64url; the exponent is 65537.
pub(super) const MODULUS: &str = "64Fq6Td6U42VHysK9ZjJyEZhpPl5kjk3LLN2zd8UvUJGrn-TtV01MUkpLXM5FKRMANgf5yBCvqYtu8VjbNwOq1nyb8Citg9ey8uXphR-O2SuRNmAwTLT17xTly3RtaDP5ITEzwRtdjIyHLaWfk4epZsUxz7EMUOEEGUBpjIVC2uVBWBojH9NshN7W9Betjkny76kqDPrG_3-_yA_2VHDyd1tj44GM2qK2XkXIn1KIe_affUw2VxcyvQ8ujJkrVFk_XUcOOGr_y-kzUtyHnITHcW3lm-DwBP5qHsVbS2QVs8WdBtTw2hTKST-6CGZyhPosYKvDhZAWJ42ztE_HQLCYw";
/// The signature of each algorithm, base64url.
pub(super) const SIGNATURES: [(Algorithm, &str); 6] = [
    (
        Algorithm::RS256,
        "Sd6C7puY1aYpOhu5SQSuszUzCxScLAKvqeb_1SfxCD5BVA_MDJ-0jy_50CcWbWdO_9HqiT_i386kXqWQR_zAEGkceae4KFMh4-pid433M8_BoGYZIJlf1FfvbpO0o7GNscpvsZ7Vhy-Zj4icMhjGK3hEv5Fa8a4MleHg_OI9WPacV4jfjDzUBxk3vUIlOWwD6xrt0wKH3v8ujvdj82MrBwad08Md0OorNOxkQdDZY4TMEf8juq-pmOv3QgOoxquZFaIYpStmFIHLf7YeUKgX4vfuLa-TxwxgH0ayZ_SQKZLkOnU7BHbyd-nrrV65SnBsOy6gSlTJM2XpqNoG7-j5vg",
    ),
    (
        Algorithm::RS384,
        "GK98UQifVXbuiotFdKnjLIMscxA5GOZjt0nM_5v8TN4zL1iZa1emJcNHMjkfXNPrOhRQog099mRyN6IEIAXU4Wm_tLkBYkAF0FdjOUJLy35D0X5Hj-hAoHDKXZsMfyQzSPqTX0aTjx74OKpQFspa2l0C3EUiDfRm3FaE3dhFbwmmtWYOkcJTzS4n-ep75LGqC1dBaRcqCK3S1V2WwA1HQHkqeiZAb97jHGUNRI85Cq6sem7BD2ylJvpzH21ygw6-RBoNJeGhT5QNqpfgN3iqMcgaVxlh3DxcUdJvaWTWU1fsG8hXn2nMK7k8RHq6cPcbemV6OywUBMsx29wSsfEidg",
    ),
    (
        Algorithm::RS512,
        "X9YWi3MYulEMeebuJiKGphk4A4joPmj0VeUdJDANYJkynT2e4ek99Cb7UnGNuLkhvZciyVO7JaO5L4Ue2JWPYiP7pdKBtDbP3e4peQ4mpfP8SnPxo-f5Fv5eBf0lvPy51aVnf0CoIe-aLEwLnWazldNitswIGJg1Di_K1zuZicJt1rmbg8DUJNztRXOEQyQnXteMxhVocVdQDs666l_KlaLbrxMrBmAs0A1T_auEvT6P5x6nnfSngKHQFGiyhMwAkJr_VaMuYkH1HdZXa1S3fBWq12XIqW6EJW9lE4fhqv6Y5aL0ly-vcrFgERWlRT9_6u-vQ-rdvundhr99JGaRQg",
    ),
    (
        Algorithm::PS256,
        "fXaqjf73C9ddRistnDeYJbZLueeOQ65Wli0zV1bMzn61FXjg4RHJAMdncYnoGBVfnKDZ5bQJ-5r05Zpb9_oWoMyIw9lvOZemjrwA_UfVDp_t3i2Aha9W8zAN7iVdBxwaWO029M-PBxS5zqtvyr7q7C7khRW1qfCsMDAgdijvLzqzk0FW_sQB7B54OgS6vbkaaxsuGxyebYHvgL3igWIDOIDBlek98aon0KXecfiYg20VHT5AQOr9oWMfVufxOX9gN1VyB7TJCZtjoA33K7pc7cAsK0qmpKOm9CzUwKQzASmUN5jQuoH7yLf9lGny8uryKVVzirRyRnGFO0JcGFBsGA",
    ),
    (
        Algorithm::PS384,
        "J5c2eQyX57DrbO0kwkbFTPSUUbFtQ0p_URrMqM9VDlnBRtBsPABZbNBOEMg36sW5YXJqvtErPQ998Y07LP5HjstqKod__SLrnUf6Ld2nVdZTLswZhK0-NVi3UCDg8AHTch8Y4ZQWNkMo65k38GRELO4RhVUnyhuEBWtX9hOCz0JfS96r5V7JiM20ksLz9FdFiFPEQKM6Yhryz3K_coRcjxKy76smy1fvYPWollzOnh1onbjKOZ9cTUY4oB5N4u5mUrfUfdQhwz9p1oY72q3PLzSEYivqeOP9Lg20GQN7ewPTHGlI4UZqWyCclLMw4O5EJn1XBtWz0xEQjObIUezsPw",
    ),
    (
        Algorithm::PS512,
        "n7_CckQ-vLZyq14fuy_jVClGJQIZgndlPy3fIQAojyNN0opqljdcUdVgymcBVkR_POy5uf1tt0_hrybL8p-S9ujmGA8f3yJ8MoPUVJM9ZNsNHQdQE8TwIzvQzrQ4ekDzoz-VhlhyxQRyTgJ8tlA8ou0d7Nhhw_fSd7DhPVQ5QgoihaG-PuXNOZ7DrYB-vW9q1mZseFP16TgM2grAo2IP4oma5uHJvEt9pVpLDR63lIgwTR2D9wr-k8gZZZh5xISoFPG8rCgqLHD7WMeOQXCVRuhU7utZB3RTC8NR2jrLhsyHXziQSPCUWUt8DH6EAQystLY52RYpZkN2WXmj2rF8HA",
    ),
];
